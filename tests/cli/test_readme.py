"""The README says what is true: each command line in it runs, and its tables are complete."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import click
import kubernetes_validate
import pytest
import yaml

from evs_snap.cli import root

if TYPE_CHECKING:
    from tests.conftest import Run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNNING = (ROOT / ".github" / "docs" / "running.md").read_text(encoding="utf-8")
FLEET = (ROOT / ".github" / "docs" / "fleet.md").read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[str]:
    """Return the code blocks of that kind, as ``ini``."""
    found: list[str] = re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return found


def command_lines() -> list[str]:
    """Every evs-snap command line in a code block, without what stands around it."""
    lines = []
    for block in blocks(README + RUNNING + FLEET, r"\w+"):
        for line in block.splitlines():
            if listed := re.search(r"command: (\[.*\])", line):
                lines.append(shlex.join(json.loads(listed[1])))
            elif found := re.match(r"(?:ExecStart=\S*/|[\d*/,\- ]+ )?(evs-snap .*)", line):
                lines.append(found[1].removesuffix(" > /dev/null"))
    return lines


@pytest.mark.parametrize("line", command_lines())
def test_each_command_line_of_the_readme_works(
    line: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_SANDBOX", "1")
    words = shlex.split(
        line.removeprefix("evs-snap ")
        .replace("--os-cloud prod", "")
        .replace('--os-cloud "$cloud"', "")
    )
    if words[0] == "check":
        run("rotate data-01 data-02 db-data --keep-last 2")
    if "SNAPSHOT" in words:
        made = run("create data-01 -f value -c ID").ids[0]
        words = [made if word == "SNAPSHOT" else word for word in words]
    if "--in-place" in words:
        words.append("-y")  # a person is asked

    result = run(shlex.join(words))

    if "-q" in words:
        assert result.stderr == ""


def test_what_the_readme_shows_first_is_what_is_printed(run: Run) -> None:
    (shown,) = blocks(README, "console")
    for line, printed in re.findall(r"^\$ evs-snap (.*)\n((?:[^$].*\n)+)", shown, re.MULTILINE):
        assert run(line).stdout == printed


@pytest.mark.skipif(which("systemd-analyze") is None, reason="systemd is not on this machine")
def test_the_units_are_ones_that_systemd_takes(tmp_path: Path) -> None:
    for block in blocks(RUNNING, "ini"):
        name = re.findall(r"system/(\S+)", block)[0]
        # The program need not be there, nor the reader's own unit that tells somebody.
        unit = re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", block)
        (tmp_path / name).write_text(unit, encoding="utf-8")
    (tmp_path / "notify@.service").write_text(
        f"[Service]\nType=oneshot\nExecStart={sys.executable} --version\n", encoding="utf-8"
    )
    units = [str(path) for path in sorted(tmp_path.glob("evs-snap.*"))]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True, text=True, check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "info"},
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "evs-snap" in line] == []
    assert done.returncode == 0


@pytest.mark.parametrize("text", [RUNNING, FLEET], ids=["running", "fleet"])
def test_the_manifest_is_one_that_kubernetes_takes(text: str) -> None:
    manifest = yaml.safe_load(blocks(text, "yaml")[0])
    kubernetes_validate.validate(manifest, "1.29", strict=True)


def test_the_readme_has_command_lines_of_every_kind() -> None:
    text = "\n".join(command_lines())
    assert text.count(" rotate ") >= 4
    for name in ("create", "volumes", "snapshots", "prune", "check", "sandbox"):
        assert re.search(rf" {name}\b", text), name


def test_every_command_and_exit_code_has_its_row() -> None:
    context = click.Context(root)
    for name in root.list_commands(context):
        assert re.search(rf"^\| `{name}` \|", README, re.MULTILINE), name
    for code in ("0", "1", "2", "3", "4", "5", "6", "7", "11", "129, 130, 143"):
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE), code


def test_the_library_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert " data-01 available\n" in done.stdout
    assert done.stdout.endswith("0 {'created': 1}\n")
