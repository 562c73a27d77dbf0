"""README and the pages say what is true: each command line runs, each example too."""

from __future__ import annotations

import json
import os
import pydoc
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

import evs_snap
from evs_snap.cli import root

if TYPE_CHECKING:
    from tests.conftest import Run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {p.stem: p.read_text("utf-8") for p in sorted((ROOT / ".github" / "docs").glob("*.md"))}
RUNNING, FLEET = PAGES["running"], PAGES["fleet"]
TEXT = "\n".join((README, *PAGES.values()))
BY_HAND = ("--hold", "doctor --hold", "freeze", "$SLURM")
"""Lines with these need a mount, or a job's variables: tests/faults runs those."""


def blocks(text: str, kind: str) -> list[str]:
    """Return the code blocks of that kind, as ``ini``."""
    found: list[str] = re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return found


def command_lines() -> list[str]:
    """Every evs-snap command line in a code block, without what stands around it."""
    lines = []
    for block in blocks(TEXT, r"\w+"):
        for line in block.splitlines():
            if listed := re.search(r"command: (\[.*\])", line):
                lines.append(shlex.join(json.loads(listed[1])))
            elif found := re.match(
                r"(?:ExecStart=\S*/|[\d*/,\- ]+ |ID=\$\(| +)?(evs-snap .*)", line
            ):
                lines.append(found[1].removesuffix(" > /dev/null").removesuffix(" || failed=$?"))
    return [line.rstrip(")") for line in lines if not any(words in line for words in BY_HAND)]


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


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(README.splitlines()) <= 170
    for page in PAGES:
        assert f"(.github/docs/{page}.md)" in README, page


def test_each_link_leads_to_a_page() -> None:
    for name, text in {"../../README": README, **PAGES}.items():
        folder = (ROOT / ".github" / "docs" / name).parent
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (folder / link).exists(), (name, link)


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


def test_every_command_and_exit_code_is_told() -> None:
    context = click.Context(root)
    for name in root.list_commands(context):
        assert re.search(rf"`(evs-snap )?{name}\b|^evs-snap .*\b{name} ", TEXT, re.MULTILINE), name
    for code in ("0", "1", "2", "3", "4", "5", "6", "7", "8", "11", "129, 130, 143"):
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE), code


PRINTED = {
    "README": r"0 \{'created': 1\}\n",
    "library 0": r"\{'created': \d+.*\}\n(needs a person: .*\n)*",
    "library 1": r"(?s).*data-01 available\n.*",
    "library 2": r"data-01-test available\n",
}


@pytest.mark.processes
@pytest.mark.parametrize("name", PRINTED)
def test_each_example_in_python_runs(tmp_path: Path, name: str) -> None:
    page, _, number = name.partition(" ")
    text = README if page == "README" else PAGES[page]
    examples = blocks(text, "python")
    script = tmp_path / "example.py"
    script.write_text(examples[int(number or 0)], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(PRINTED[name], done.stdout), done.stdout
    assert len([n for n in PRINTED if n.startswith(page)]) == len(examples), "each has its row"


def test_help_of_the_package_shows_every_name() -> None:
    told = pydoc.plain(pydoc.render_doc(evs_snap))
    for name in ("create_snapshots", "pin_snapshots", "connect", "RunRecord", "LimitError"):
        assert name in told
