"""Test the tests: put one bug at a time into a copy of the tree, and see them notice it.

``python tests/mutants/run.py [--only N]`` reads `bugs.toml` beside it. It ends 1 where fewer than
97 % of the bugs are noticed, and where a bug no longer fits the source.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LEAST_CAUGHT = 0.97
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__")

Bug = dict[str, Any]


def mutated(source: str, bug: Bug) -> str:
    """Return the source with the bug in it. Raises ValueError where its line is not there once."""
    lines = source.splitlines(keepends=True)
    found = [number for number, line in enumerate(lines) if line.strip() == bug["before"]]
    if len(found) != 1:
        raise ValueError(f"{bug['file']}: {len(found)} lines are {bug['before']!r}, not 1")
    lines[found[0]] = lines[found[0]].replace(bug["before"], bug["after"])
    return "".join(lines)


def _passes(tree: Path, tests: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "-p", "no:cacheprovider"]
    env = os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    files = [str(Path("tests") / test) for test in tests]
    with (tree / "output").open("w") as output:
        done = subprocess.run(
            [*command, *files], cwd=tree, env=env, stdout=output, stderr=output, check=False
        )
    if done.returncode not in {0, 1}:  # neither passed nor failed
        raise RuntimeError((tree / "output").read_text())
    return done.returncode == 0


def _copied(folder: Path) -> Path:
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=_LEFT_OUT)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def is_caught(bug: Bug) -> bool:
    """Put the bug into a copy of the tree; return whether a test fails."""
    with tempfile.TemporaryDirectory() as folder:
        tree = _copied(Path(folder))
        file = tree / "src/evs_snap" / bug["file"]
        file.write_text(mutated(file.read_text(encoding="utf-8"), bug), encoding="utf-8")
        return not _passes(tree, bug["tests"])


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, metavar="N", help="only the bug of this number")
    only = parser.parse_args().only
    bugs = tomllib.loads((Path(__file__).parent / "bugs.toml").read_text(encoding="utf-8"))["bug"]
    numbered = [(n, bug) for n, bug in enumerate(bugs, start=1) if only in {None, n}]
    for _, bug in numbered:
        mutated((ROOT / "src/evs_snap" / bug["file"]).read_text(encoding="utf-8"), bug)
    tests = sorted({test for _, bug in numbered for test in bug["tests"]})
    with tempfile.TemporaryDirectory() as folder:
        if not _passes(_copied(Path(folder)), tests):
            sys.exit((Path(folder) / "output").read_text() + "\nthe tests fail without any bug")
    caught = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        verdicts = pool.map(lambda one: is_caught(one[1]), numbered)
        for (number, bug), well in zip(numbered, verdicts, strict=True):
            caught.append(well)
            verdict = "caught  " if well else "SURVIVED"
            told = f"{number:3} {verdict} {bug['file']}: {bug['after']}  ({bug['harm']})"
            print(told, flush=True)  # noqa: T201 - its result
    share = sum(caught) / len(caught)
    print(f"{sum(caught)} of {len(caught)} bugs caught ({share:.1%})")  # noqa: T201 - the same
    return 0 if share >= LEAST_CAUGHT else 1


if __name__ == "__main__":
    sys.exit(_main())
