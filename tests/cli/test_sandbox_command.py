"""`evs-snap sandbox`: begun anew, and served to this machine alone."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run


def test_reset_brings_the_first_disks_back(run: Run) -> None:
    fresh = run("--sandbox snapshots -f value -c ID").stdout
    run("--sandbox create --volume data-01")
    assert run("--sandbox snapshots -f value -c ID").stdout != fresh
    assert run("sandbox reset").stdout == ""
    assert run("--sandbox snapshots -f value -c ID").stdout == fresh


def test_reset_of_a_sandbox_never_used_is_no_error(run: Run) -> None:
    run("sandbox reset")
    run("sandbox reset")


def test_a_file_that_cannot_be_used_is_named_with_the_way_out(run: Run) -> None:
    """found: a folder in the place of the sandbox's file ended in a traceback."""
    path = state_folder(os.environ) / "sandbox.db"
    path.mkdir(parents=True)
    used = run("--sandbox volumes", exit_code=1)
    assert f"{path}" in used.stderr
    assert "evs-snap sandbox reset" in used.stderr
    refused = run("sandbox reset", exit_code=2)
    assert f"{path}" in refused.stderr
    assert "delete it by hand" in refused.stderr
    assert "Traceback" not in used.stderr + refused.stderr


def test_a_folder_that_cannot_be_made_is_no_reason_to_reset(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: with HOME=/ the advice was `sandbox reset`, which could not help."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    used = run("--sandbox volumes", exit_code=1)
    assert "set XDG_STATE_HOME to a folder that can be written" in used.stderr
    assert "reset" not in used.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104 - to be refused
def test_it_is_served_on_loopback_only(run: Run, host: str) -> None:
    refused = run(f"sandbox serve --host '{host}' --port 0", exit_code=2)
    assert "loopback" in refused.stderr


def test_a_port_in_use_is_a_clean_error(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        refused = run(f"sandbox serve --port {port}", exit_code=2)
    assert str(port) in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port_is_a_usage_error(run: Run, port: str) -> None:
    run(f"sandbox serve --port={port}", exit_code=2)


@pytest.mark.parametrize(("line", "code"), [("sandbox reset", 2), ("--sandbox volumes", 1)])
def test_a_file_that_cannot_be_used_is_told(run: Run, line: str, code: int) -> None:
    """found: `sandbox reset` of an unusable file ended in a traceback."""
    folder = state_folder(os.environ)
    (folder / "sandbox.db").mkdir(parents=True)
    assert "sandbox.db" in run(line, exit_code=code).stderr


def test_a_file_that_is_no_database_is_replaced_by_a_reset(run: Run) -> None:
    """found: `sandbox reset` of an unusable file ended in a traceback."""
    folder = state_folder(os.environ)
    folder.mkdir(parents=True)
    (folder / "sandbox.db").write_text("no database at all\n" * 100)
    run("sandbox reset")
    assert run("--sandbox volumes -f value -c ID").ids
