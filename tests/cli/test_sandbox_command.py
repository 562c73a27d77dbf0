"""`evs-snap sandbox`: begun anew, and served to this machine alone."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

import pytest
from tests.cli.processes import on_terminal

from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run


def no_folder(folder: Path) -> str:
    folder.parent.mkdir(parents=True)
    folder.touch()
    return "set XDG_STATE_HOME to a folder that can be written"


def folder_in_its_place(folder: Path) -> str:
    (folder / "sandbox.db").mkdir(parents=True)
    return "evs-snap sandbox reset"


def no_database(folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "sandbox.db").write_text("no database at all\n" * 100)
    return "evs-snap sandbox reset"


@pytest.mark.parametrize("spoil", [no_folder, folder_in_its_place, no_database])
def test_a_file_that_cannot_be_used_is_told_as_itself(
    run: Run, spoil: Callable[[Path], str]
) -> None:
    """found: it read "the service refused (HTTP 500)"; with HOME=/ it advised a reset."""
    folder = state_folder(os.environ)
    way_out = spoil(folder)
    for line in ("--sandbox volumes", "sandbox serve --port 0"):
        refused = run(line, exit_code=2)
        assert str(folder / "sandbox.db") in refused.stderr
        assert way_out in refused.stderr
        assert "HTTP" not in refused.stderr


def test_a_reset_replaces_what_is_no_database_and_tells_what_it_cannot_delete(run: Run) -> None:
    """found: `sandbox reset` of an unusable file ended in a traceback."""
    folder = state_folder(os.environ)
    run("sandbox reset")  # never used: no error
    no_database(folder)
    run("sandbox reset")
    assert run("--sandbox volumes -f value -c ID").ids
    (folder / "sandbox.db").unlink()
    (folder / "sandbox.db").mkdir()
    assert "delete it by hand" in run("sandbox reset", exit_code=2).stderr


def test_on_a_terminal_each_says_what_it_does() -> None:
    """found: at a terminal both were silent."""
    assert on_terminal("sandbox", "reset") == (0, "the sandbox has its first disks again\n")
    served = "until Ctrl-C"
    _, shown = on_terminal("sandbox", "serve", "--port", "0", hang_up_at=served.encode())
    assert re.search(f"^the sandbox is served on port [0-9]+ {served}", shown, re.MULTILINE)


def test_a_port_in_use_is_a_clean_error(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        refused = run(f"sandbox serve --port {port}", exit_code=2)
    assert str(port) in refused.stderr
    assert refused.stdout == ""
