"""Test the tests by random bugs, which cosmic-ray makes: see that those that reach one notice it.

    pip install cosmic-ray pytest-cov
    pytest --cov --cov-context=test                 # .coverage: which test reaches which line
    python -m tests.tools.mutants.sample .coverage

Each bug meets the tests that reach its line, first those that reach the fewest lines of all, until
one fails. Ends 1 where fewer than 95 % are noticed, those aside that `harmless.toml` lists.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random  # noqa: TID251 - with a fixed seed
import re
import resource
import sys
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast  # type: ignore[import-not-found]  # see above
from cosmic_ray.mutating import mutate_code  # type: ignore[import-not-found]
from cosmic_ray.plugins import get_operator, operator_names  # type: ignore[import-not-found]
from coverage import CoverageData
from tests.tools.mutants.run import ROOT, copied, tried

PLACES = [ROOT / "src/evs_snap" / name for name in ("plan", "runs", "services", "api", "auth")]
SEED = 18
LEAST_CAUGHT = 0.95
FIRST = 30  # functions of tests, before the rest is collected
MEMORY = 6 << 30  # bytes: what a loop without an end may take

Tests = dict[int, set[str]]
"""The functions of tests that reach a line."""


class Mutant(NamedTuple):
    """A file with one bug, and the line with it before and after."""

    file: str
    line: int
    text: str
    was: str
    becomes: str


def _bare(text: str) -> str:
    """Return the program without its annotations: one that differs in those alone has no bug."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for name in {"annotation", "returns"}.intersection(node._fields):
            setattr(node, name, ast.Constant(None))
    return ast.dump(tree)


def mutants() -> Iterator[Mutant]:
    """Yield bugs in random order: at each spot one of those that can be made there."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    spots = defaultdict(list)
    for file in sorted(file for place in PLACES for file in place.glob("*.py")):
        nodes = list(ast_nodes(get_ast(file.read_text("utf-8"))))
        for name in sorted(name for name in operator_names() if "Variable" not in name):
            operator = get_operator(name)()
            found = (spot for node in nodes for spot in operator.mutation_positions(node))
            for occurrence, spot in enumerate(found):
                spots[file, spot].append((operator, occurrence))
    for file, spot in chance.sample(sorted(spots), len(spots)):
        before = file.read_text("utf-8")
        text = mutate_code(before, *chance.choice(spots[file, spot]))
        try:
            if _bare(text) == _bare(before):
                continue
        except SyntaxError:
            continue
        lines = list(difflib.ndiff(before.splitlines(), text.splitlines()))
        was, becomes = (" ".join(d[2:].strip() for d in lines if d[0] == sign) for sign in "-+")
        yield Mutant(str(file.relative_to(ROOT)), spot[0][0], text, was, becomes)


def _recorded(record: str) -> dict[str, Tests]:
    data = CoverageData(record)
    data.read()
    function = cache(lambda context: re.split(r"[\[|]", context)[0])
    return {
        file[file.index("src/evs_snap") :]: {
            line: {function(context) for context in contexts if context}
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
        if any(str(place.relative_to(ROOT)) in file for place in PLACES)
    }


def _tests_of(mutant: Mutant, reaching: Tests) -> set[str]:
    """Return what reaches its statement, or else the function, the class, the file around it."""
    nodes = ast.walk(ast.parse((ROOT / mutant.file).read_text("utf-8")))
    parts = [(n.lineno, n.end_lineno or 0) for n in nodes if isinstance(n, ast.stmt)]
    for first, last in sorted([*parts, (0, sys.maxsize)], key=lambda part: part[1] - part[0]):
        found = set[str]().union(*(reaching[n] for n in reaching if first <= n <= last))
        if first <= mutant.line <= last and found:
            return found
    return set()


def _catcher(mutant: Mutant, tests: list[str]) -> str:
    """Return the test that fails with this bug, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        (tree / mutant.file).write_text(mutant.text, "utf-8")
        for part in filter(None, (tests[:FIRST], tests[FIRST:])):
            done = tried(tree, "-n", "0", *part)
            if done.returncode:
                failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
                return failed[1] if failed else f"exit {done.returncode}"
    return ""


def _main() -> int:
    parser = argparse.ArgumentParser(description="See the docstring.")
    parser.add_argument("record", help="what `pytest --cov --cov-context=test` wrote")
    parser.add_argument("--count", type=int, default=200, help="how many bugs")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    harmless = tomllib.loads(Path(__file__).with_name("harmless.toml").read_text("utf-8"))["bug"]
    recorded = _recorded(given.record)
    breadth = Counter(t for of in recorded.values() for tests in of.values() for t in tests)
    drawn = list(islice(mutants(), given.count))
    unchanged = drawn[0]._replace(text=(ROOT / drawn[0].file).read_text("utf-8"))
    if failing := _catcher(unchanged, sorted(breadth)[:: len(breadth) // FIRST]):
        sys.exit(f"without any bug this fails: {failing}")

    def verdict(mutant: Mutant) -> str:
        tests = _tests_of(mutant, recorded.get(mutant.file, {}))
        catcher = _catcher(mutant, sorted(tests, key=lambda test: (breadth[test], test)))
        reasons = [
            bug["reason"]
            for bug in harmless
            if f"src/evs_snap/{bug['place']}" in mutant.file
            and re.search(bug["was"], mutant.was)
            and re.search(bug["becomes"], mutant.becomes)
        ]
        said = "caught" if catcher else "harmless" if reasons else "SURVIVED"
        why = catcher or "".join(reasons[:1]) or f"{len(tests)} tests reach it"
        told = f"{said} {mutant.file}:{mutant.line} ({why})"
        print(f"{told}\n  - {mutant.was}\n  + {mutant.becomes}", flush=True)  # noqa: T201 - its result
        return said

    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        said = Counter(pool.map(verdict, drawn))
    share = said["caught"] / (said["caught"] + said["SURVIVED"])
    print(f"{dict(said)}: {share:.1%} of those that do harm are caught")  # noqa: T201 - the same
    return 0 if share >= LEAST_CAUGHT else 1


if __name__ == "__main__":
    sys.exit(_main())
