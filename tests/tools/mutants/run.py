"""Test the tests: put one bug at a time into a copy of the tree, and see them notice it.

``python tests/tools/mutants/run.py [--only N]`` reads `bugs.toml` beside it: bugs that `sample.py`
cannot make. It ends 1 where one is not noticed. Before any test it lists the bugs that no longer
fit the source, and ends 1 where there is one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__")

Bug = dict[str, Any]


def _pattern(find: str) -> re.Pattern[str]:
    """Return the regular expression; a space in it stands for white space, or none."""
    return re.compile(find.replace(" ", r"\s*"), re.DOTALL)


def mutated(src: Path, bug: Bug) -> tuple[Path, str]:
    """Return the file that the bug is in, and its text with the bug.

    Raises ValueError where ``find`` is not once in ``place``, a file or a folder, or where
    ``becomes`` is no Python there.
    """
    place = src / bug["place"]
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place][: place.exists()]
    pattern = _pattern(bug["find"])
    found = [(file, match) for file in files for match in pattern.finditer(file.read_text("utf-8"))]
    if len(found) != 1:
        raise ValueError(f"{bug['place']} has this {len(found)} times, not once: {bug['find']}")
    file, match = found[0]
    text = file.read_text("utf-8")
    text = text[: match.start()] + match.expand(bug["becomes"]) + text[match.end() :]
    try:
        compile(text, str(file), "exec")
    except SyntaxError as error:
        raise ValueError(f"{bug['place']}: no Python is {bug['becomes']} ({error})") from error
    return file, text


def tried(tree: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a copy of the tree until a first test fails."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", *arguments]
    command += ["-p", "no:cacheprovider"]
    env = os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"} | env
    return subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)


def copied(folder: Path) -> Path:
    """Copy what tests need into this folder, and return it."""
    for name in ("src", "tests", ".github"):
        shutil.copytree(ROOT / name, folder / name, ignore=_LEFT_OUT)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def _fault(tree: Path, tests: list[str]) -> str:
    """Return the output of pytest where a test fails, or nothing."""
    done = tried(tree, "-n", "0", *(str(Path("tests") / test) for test in tests))
    if done.returncode not in {0, 1}:  # neither passed nor failed
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout if done.returncode else ""


def is_caught(bug: Bug) -> bool:
    """Put the bug into a copy of the tree; return whether a test fails."""
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        file, text = mutated(tree / "src/evs_snap", bug)
        file.write_text(text, encoding="utf-8")
        return bool(_fault(tree, bug["tests"]))


def _is_there(test: str) -> bool:
    """Whether there is such a test: a file below tests/, ``file::function`` or one case of it."""
    name, _, function = test.partition("[")[0].partition("::")
    file = ROOT / "tests" / name
    return file.is_file() and (not function or f"def {function}(" in file.read_text("utf-8"))


def _require_fitting(bugs: list[tuple[int, Bug]]) -> None:
    """End the program with a line for each bug that no longer fits the source or names no test."""
    odd = []
    for number, bug in bugs:
        lost = [test for test in bug["tests"] if not _is_there(test)]
        odd += [f"{number:3} no such test: {test}" for test in lost]
        try:
            mutated(ROOT / "src/evs_snap", bug)
        except ValueError as error:
            odd.append(f"{number:3} {error}")
    if odd:
        sys.exit("\n".join([*odd, f"{len(odd)} of {len(bugs)} bugs do not fit: port or drop them"]))


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, metavar="N", help="only the bug of this number")
    only = parser.parse_args().only
    bugs = tomllib.loads((Path(__file__).parent / "bugs.toml").read_text(encoding="utf-8"))["bug"]
    numbered = [(n, bug) for n, bug in enumerate(bugs, start=1) if only in {None, n}]
    _require_fitting(numbered)
    tests = sorted({test for _, bug in numbered for test in bug["tests"]})
    with tempfile.TemporaryDirectory() as folder:
        if fault := _fault(copied(Path(folder)), tests):
            sys.exit(f"{fault}\nthe tests fail without any bug")
    caught = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        verdicts = pool.map(lambda one: is_caught(one[1]), numbered)
        for (number, bug), well in zip(numbered, verdicts, strict=True):
            caught.append(well)
            verdict = "caught  " if well else "SURVIVED"
            told = f"{number:3} {verdict} {bug['place']}: {bug['becomes']}  ({bug['harm']})"
            print(told, flush=True)  # noqa: T201 - its result
    print(f"{sum(caught)} of {len(caught)} bugs caught")  # noqa: T201 - the same
    return 0 if all(caught) else 1


if __name__ == "__main__":
    sys.exit(_main())
