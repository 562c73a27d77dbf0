"""The README says what is true: each command line in it runs, and its tables are complete."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from evs_snap.cli import root

if TYPE_CHECKING:
    from tests.conftest import Run

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def command_lines() -> list[str]:
    """Every evs-snap command line in a code block, without what stands around it."""
    lines = []
    for block in re.findall(r"^```\w+\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if listed := re.search(r"command: (\[.*\])", line):
                lines.append(shlex.join(json.loads(listed[1])))
            elif found := re.match(r"(?:ExecStart=|[\d*/,\- ]+ )?(evs-snap .*)", line):
                lines.append(found[1].removesuffix(" > /dev/null"))
    return lines


@pytest.mark.parametrize("line", command_lines())
def test_each_command_line_of_the_readme_works(
    line: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_SANDBOX", "1")
    words = shlex.split(line.removeprefix("evs-snap ").replace("--os-cloud prod", ""))
    if words[0] == "check":
        run(shlex.join(["rotate", "--match", "data-*", "--keep-last", "2"]))

    result = run(shlex.join(words))

    if "-q" in words:
        assert result.stderr == ""


def test_the_readme_has_command_lines_of_every_kind() -> None:
    text = "\n".join(command_lines())
    assert text.count(" rotate ") >= 4
    for name in ("create", "volumes", "snapshots", "prune", "check", "sandbox"):
        assert re.search(rf" {name}\b", text), name


def test_every_command_and_exit_code_has_its_row() -> None:
    context = click.Context(root)
    for name in root.list_commands(context):
        assert re.search(rf"^\| `{name}` \|", README, re.MULTILINE), name
    for code in ("0", "1", "2", "3", "4", "5", "6", "7", "11", "130, 143"):
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE), code


def test_the_library_example_runs_and_is_well_typed(tmp_path: Path) -> None:
    """As written, from outside: what it prints, and what mypy --strict says of it."""
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert " data-01 available\n" in done.stdout
    assert done.stdout.endswith("0 {'created': 1}\n")
    if find_spec("mypy") is None:
        return  # the test extra has no mypy; the lint step runs this test too
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(script)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
