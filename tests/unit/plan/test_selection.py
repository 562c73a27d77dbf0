"""Which disks are meant: union with the named ones, intersection of criteria, each once."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories import volume

from evs_snap.errors import AmbiguousError, ConfigurationError, SelectionError
from evs_snap.plan.selection import Selection, find, is_id, refuse_empty, select

if TYPE_CHECKING:
    from evs_snap.services.interface import Volume

NAMES = (None, "", "data-01", "data-02", "db", "Db", "v1", "shared", "shared", "[odd]")
SERVERS: tuple[tuple[str, ...], ...] = ((), ("s1",), ("s2",), ("s1", "s2"))
METADATA: tuple[dict[str, str], ...] = ({}, {"env": "prod"}, {"env": "dev", "tier": ""})
GLOBS = ("*", "data-*", "d?", "shared", "[[]odd]", "nothing-*")
PAIRS = (("env", None), ("env", "prod"), ("env", "dev"), ("tier", ""), ("owner", None))


def disk(
    id_: str, name: str | None = None, *, servers: tuple[str, ...] = (), **metadata: str
) -> Volume:
    return volume(id_, name=name, servers=servers, metadata=metadata)


def _volumes(
    rows: list[tuple[str | None, tuple[str, ...], dict[str, str]]],
) -> list[Volume]:
    return [disk(f"v{n}", name, servers=s, **meta) for n, (name, s, meta) in enumerate(rows)]


DISKS = st.lists(st.sampled_from(list(product(NAMES, SERVERS, METADATA))), max_size=8).map(_volumes)


def some(*values: object) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.sampled_from(values), max_size=2).map(tuple)


SELECTIONS = st.builds(
    Selection,
    volumes=some("v0", "v1", "data-01", "db", "shared", "nobody"),
    match=some(*GLOBS),
    servers=some("s1", "s2", "s3"),
    metadata=some(*PAIRS),
    everything=st.booleans(),
    exclude=some("v0", "shared", "*-01", "d*"),
)


def _meant(volume: Volume, selection: Selection) -> bool:
    """Say anew, from the docstring, whether the criteria choose a disk."""
    tests = {
        selection.match: any(fnmatchcase(volume.name or "", g) for g in selection.match),
        selection.servers: any(s in volume.attached_to for s in selection.servers),
        selection.metadata: any(
            k in volume.metadata and (v is None or volume.metadata[k] == v)
            for k, v in selection.metadata
        ),
    }
    asked = [met for criterion, met in tests.items() if criterion]
    return all(asked) and (bool(asked) or selection.everything or selection.is_empty)


def _excluded(volume: Volume, selection: Selection) -> bool:
    return volume.id in selection.exclude or any(
        fnmatchcase(volume.name or "", g) for g in selection.exclude
    )


@settings(max_examples=200, deadline=None)
@given(DISKS, SELECTIONS)
def test_chosen_are_the_named_and_those_that_meet_all_criteria_less_the_excluded(
    volumes: list[Volume], selection: Selection
) -> None:
    named = []
    for wanted in selection.volumes:
        found = [v for v in volumes if v.id == wanted] or [v for v in volumes if v.name == wanted]
        if len(found) != 1:
            with pytest.raises(AmbiguousError if found else SelectionError):
                select(volumes, selection)
            return
        named += found
    meeting = [v for v in volumes if _meant(v, selection)]
    expected = [v for v in (*named, *meeting) if not _excluded(v, selection)]
    by_criteria = selection.has_criteria or selection.is_empty
    if not expected or (by_criteria and not meeting):
        with pytest.raises(SelectionError):
            select(volumes, selection)
        return
    chosen = select(volumes, selection)
    assert chosen == list({v.id: v for v in expected}.values())


def test_a_whole_id_counts_before_a_name_that_looks_the_same() -> None:
    """Else nobody could mean a disk after whose ID another one is called."""
    assert find([disk("a", "b"), disk("b", "a")], "A").id == "a"


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        (Selection(match=("x*",)), "none of the project's 1 disks"),
        (Selection(everything=True, exclude=("*",)), "excluded"),
        (Selection(volumes=("data",), exclude=("data",)), "excluded"),
        (Selection(volumes=("data",), match=("x*",)), "none of the project's 1 disks"),
    ],
)
def test_a_selection_that_comes_out_empty_is_an_error(selection: Selection, told: str) -> None:
    with pytest.raises(SelectionError, match=told) as refused:
        select([disk("1", "data")], selection)
    assert refused.value.exit_code == 5


@pytest.mark.parametrize(
    ("option", "asked"),
    [
        ("--volume", {"volumes": ("data", "")}),
        ("--match", {"match": ("",)}),
        ("--server", {"servers": ("",)}),
        ("--with-metadata", {"metadata": (("", "x"),)}),
        ("--exclude", {"everything": True, "exclude": ("",)}),
    ],
)
def test_an_empty_value_is_a_usage_error(option: str, asked: dict[str, Any]) -> None:
    """found: an unset variable in a script, --volume "", selected the disk without a name."""
    with pytest.raises(ConfigurationError, match=f"an empty value for {option}") as refused:
        Selection(**asked)
    assert refused.value.exit_code == 2
    assert "variable" in (refused.value.hint or "")


def test_names_of_snapshots_are_checked_by_the_same_rule() -> None:
    refuse_empty("SNAPSHOT", ["a", " "])
    with pytest.raises(ConfigurationError, match="an empty value for SNAPSHOT"):
        refuse_empty("SNAPSHOT", ["a", ""])


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("5072a9e5-66eb-42a2-9120-e78b6dbedc9f", True),
        ("5072A9E5-66EB-42A2-9120-E78B6DBEDC9F", True),
        ("5072a9e566eb42a29120e78b6dbedc9f", False),
        ("{5072a9e5-66eb-42a2-9120-e78b6dbedc9f}", False),
        ("data-01", False),
        ("", False),
    ],
)
def test_ids_are_told_by_their_form(text: str, *, is_one: bool) -> None:
    assert is_id(text) is is_one
