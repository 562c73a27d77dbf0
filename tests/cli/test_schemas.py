"""What programs rely on: each document is as its schema says, and has each field that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from evs_snap import errors
from evs_snap.cli.options import ACTIONS
from evs_snap.render.columns import RECORDED
from evs_snap.runs.record import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Run

SCHEMAS = Path(__file__).parents[2] / ".github" / "docs" / "schemas"
OURS = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"
OPTIONAL = {"metadata", "tags"}
"""Each kind of snapshot has one of them; of disks, tags are read only where they are asked for."""


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Yield each description of an object with fields."""
    if isinstance(part, dict):
        if "properties" in part:
            yield part
        for inner in part.values():
            yield from objects(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from objects(inner)


@pytest.mark.parametrize(
    ("name", "line", "exit_code"),
    [
        ("volumes", "volumes", 0),
        ("snapshots", "snapshots --all-kinds", 0),
        ("show", f"show data-01 full-01 {OURS} --keep-last 1", 0),
        ("check", "check data-01 data-02 --max-age 1h", 2),
        ("check", "check nobodys --max-age 1h", 3),
        ("doctor", "doctor data-01", 0),
        ("simulate", "simulate --keep-last 2 --every 1d --for 9d", 0),
        ("record", "create --all --exclude broken-*", 3),
        ("record", "create full-01", 6),
        ("record", "create nobodys", 5),
        ("record", "create --all --mistyped", 2),
        ("record", "rotate data-02 --keep-last 1", 0),
        ("record", "rotate data-02 --keep-last 1 --dry-run", 0),
        ("record", "prune data-02 --keep-last 1 -y", 0),
        ("record", f"delete {OURS} -y", 0),
        ("record", f"pin {OURS}", 0),
        ("record", f"restore {OURS} --as copy", 0),
        ("record", f"wait {OURS}", 0),
    ],
)  # fmt: skip
def test_a_document_is_as_its_schema_says(run: Run, name: str, line: str, exit_code: int) -> None:
    """A field that disappears fails here; one whose meaning changes needs a new name."""
    known = schema(name)
    for described in objects(known):
        promised = set(described["properties"])
        assert set(described["required"]) >= promised - OPTIONAL
        described["additionalProperties"] = False  # a new field is described before it is printed
    Draft202012Validator(known).validate(run(f"--sandbox {line} -f json", exit_code=exit_code).json)


def test_the_schema_knows_every_action_and_kind_of_error() -> None:
    (item,) = (o for o in objects(schema("record")) if "action" in o["properties"])
    assert set(item["properties"]["action"]["enum"]) == {str(action) for action in Action}
    assert {str(action) for action in Action} >= set(ACTIONS)
    assert {"create", "rotate", "prune", "delete", "restore", "wait", "pin", "unpin"} == set(
        RECORDED
    )


def test_each_error_says_whether_to_try_again_as_the_readme_does(run: Run) -> None:
    (item,) = run("--sandbox create full-01 -f json", exit_code=6).json["items"]
    assert item["error"]["retry"] is False
    readme = (SCHEMAS.parents[2] / "README.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in readme.splitlines() if line.startswith("| ")]
    told = {
        int(code): row[2].startswith("yes")
        for row in rows
        if len(row) == 3 and row[0].split(", ")[0].isdigit()
        for code in row[0].split(", ")
    }
    assert {code for code, again in told.items() if again} == set(errors.RETRIED)
