"""What is loaded when the client is: start-up is imports."""

from __future__ import annotations

import subprocess
import sys


def modules(code: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter holds after this code."""
    report = "; import sys; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_the_client_loads_no_command_line_of_httpx() -> None:
    """found: 40 of 65 ms went into httpx's own command line, with rich and pygments."""
    loaded = modules("import evs_snap.services.client, evs_snap.api.transport")
    assert "httpx" in loaded
    assert not loaded & {"httpx._main", "rich", "pygments", "click", "httpcore"}


def test_httpx_still_loads_its_command_line_by_itself() -> None:
    """Where this fails, api/http.py is needless: import httpx as everybody does."""
    assert {"httpx._main", "rich", "pygments"} <= modules("import httpx")


def test_others_in_the_process_still_get_that_command_line() -> None:
    assert "rich" in modules("import evs_snap.services.client; import httpx._main")
    assert "rich" in modules("import httpx; import evs_snap.services.client; import httpx._main")


def test_building_models_does_not_look_for_plugins() -> None:
    """found: pydantic read the metadata of every installed package, 15 ms."""
    look = "import importlib.metadata as m; m.entry_points = m.distributions = None; import os; "
    use = "import evs_snap.api.wire as w, evs_snap.services.interface as i; w.ready(i.Volume)"
    kept = "; assert 'PYDANTIC_DISABLE_PLUGINS' not in os.environ"
    assert "pydantic" in modules(look + use + kept)
    kept = "; assert os.environ['PYDANTIC_DISABLE_PLUGINS'] == 'one'"
    assert modules(f"{look} os.environ['PYDANTIC_DISABLE_PLUGINS'] = 'one'; {use}{kept}")


def test_models_are_built_when_they_are_first_used() -> None:
    load = "from evs_snap.services.interface import Volume; from evs_snap.api.wire import ready"
    unbuilt = "assert not Volume.__pydantic_complete__"
    assert modules(f"{load}; {unbuilt}; ready(Volume); assert Volume.__pydantic_complete__")
