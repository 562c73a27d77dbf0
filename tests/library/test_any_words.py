"""The library's door: what cannot work is refused, by its value, before anything is sent."""

from __future__ import annotations

from datetime import timedelta
from types import NoneType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.factories import snapshot, volume

from evs_snap import (
    ConfigurationError,
    EvsSnapError,
    Keep,
    RunRecord,
    Selection,
    connect,
    create_snapshots,
    delete_snapshots,
    prune_snapshots,
    restore,
    wait_for_snapshots,
)
from evs_snap.plan.shards import Shard
from evs_snap.sandbox import STANDARD_REGION, Sandbox
from evs_snap.settings import sandbox_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import FakeClock

    from evs_snap import EvsClient

    Call = Callable[[EvsClient], object]

DISK = "data-01"


@pytest.fixture(name="told")
def _told() -> list[str]:
    """Return the requests that were sent, a line each."""
    return []


@pytest.fixture(name="evs")
def _evs(fake: FakeClock, tmp_path: Path, told: list[str]) -> Iterator[EvsClient]:
    app = Sandbox(tmp_path / "sandbox.db", now=fake.clock.now)
    with connect(
        settings=sandbox_settings(), app=app, clock=fake.clock, trace=told.append
    ) as client:
        yield client


@pytest.mark.parametrize(
    "words",
    [{"cloud": "prod", "sandbox": True}, {"cloud": "prod", "settings": sandbox_settings()},
     {"sandbox": "no"}, {"sandbox": []}, {"cloud": ["prod"]}, {"kind": 5}, {"region": 1}],
    ids=str,
)  # fmt: skip
def test_what_connect_is_told_may_not_contradict_itself(words: dict[str, Any]) -> None:
    """found: `connect(cloud="prod", sandbox=True)` worked on the pretend cloud, without a word."""
    with pytest.raises(ConfigurationError, match="connect: "), connect(**words):
        pass


@pytest.mark.parametrize(
    "evs", [connect(sandbox=True), "data-01", None], ids=["unopened", "text", "None"]
)
def test_who_forgot_the_with_is_told(evs: Any) -> None:
    """found: it ended in an AttributeError of a class that nobody knows."""
    with pytest.raises(ConfigurationError, match="is no client") as told:
        create_snapshots(evs, DISK)
    assert "with connect() as evs" in str(told.value.hint)


def create(**words: Any) -> Call:
    return lambda evs: create_snapshots(evs, DISK, **words)


def rotate(**words: Any) -> Call:
    return lambda evs: create_snapshots(evs, DISK, **{"keep": Keep(last=2), **words})


def prune(**words: Any) -> Call:
    return lambda evs: prune_snapshots(evs, DISK, **{"keep": Keep(last=2), **words})


def back(**words: Any) -> Call:
    return lambda evs: restore(evs, "s", **words)


def any_of(value: Any) -> Any:
    """Return a value that its type forbids."""
    return value


NOTHING: list[tuple[Call, str]] = [
    (lambda evs: prune_snapshots(evs, *[], keep=Keep(last=1)), "no disk is asked for"),
    (lambda evs: create_snapshots(evs, *[]), "no disk is asked for"),
    (lambda evs: create_snapshots(evs, selection=Selection(exclude=("x",))), "no disk"),
    (lambda evs: create_snapshots(evs, selection=Selection(shard=Shard(0, 2))), "no disk"),
    (lambda evs: create_snapshots(evs, ""), "an empty value for --volume"),
    (delete_snapshots, "no snapshot is asked for"),
    (lambda evs: delete_snapshots(evs, ""), "an empty value for SNAPSHOT"),
    (lambda evs: wait_for_snapshots(evs, "s", ""), "an empty value for SNAPSHOT"),
    (lambda evs: restore(evs, "", as_name="x"), "an empty value for SNAPSHOT"),
]
RULES: list[tuple[Call, str]] = [
    (rotate(keep=Keep()), "rotate needs a rule"),
    (prune(keep=Keep()), "prune needs a rule"),
    (prune(keep=None), "prune needs a rule"),
    (lambda _: Keep(last=-1), "keep last -1 "),
    (lambda _: Keep(daily=any_of(1.0)), "keep daily 1.0 "),
    (lambda _: Keep(weekly=any_of("2")), "keep weekly '2' "),
    (lambda _: Keep(within=timedelta(0)), "keep within datetime.timedelta(0) "),
    (lambda _: Keep(within=any_of(3)), "keep within 3 "),
    (rotate(keep="last=1"), "keep 'last=1' "),
    (rotate(wait=False), "rotate must wait"),
    (rotate(keep=Keep(last=7)), "7 last can hold 7 snapshots; a disk holds 7"),
    (rotate(keep=Keep(last=4), limit=4), "a disk holds 4"),
    (rotate(policy="before-restore"), "--policy before-restore"),
    (prune(policy="before-restore"), "--policy before-restore"),
]
WHICH: list[tuple[Call, str]] = [
    (lambda _: Selection(match=any_of("full-*")), "match 'full-*' is not a tuple"),
    (lambda _: Selection(volumes=(any_of(1),)), "volumes (1,) "),
    (lambda _: Selection(tags=any_of(("ab",))), "tags ('ab',) "),
    (lambda _: Selection(metadata=(("k", any_of(1)),)), "metadata (('k', 1),) "),
    (lambda _: Selection(metadata=(("", None),)), "--with-metadata"),
    (lambda _: Selection(everything=any_of("no")), "everything 'no' "),
    (lambda _: Selection(shard=any_of("0/2")), "shard '0/2' "),
    (lambda _: Shard(2, 2), "shard 2 of 2"),
    (lambda _: Shard(0, 0), "shard 0 of 0"),
    (lambda _: Shard(0.5, 2), "shard 0.5 of 2"),  # type: ignore[arg-type]
    (lambda evs: create_snapshots(evs, any_of(["a"])), "['a'] is no name"),
    (lambda evs: create_snapshots(evs, selection=any_of("a")), "selection 'a' "),
    (lambda evs: create_snapshots(evs, any_of(snapshot())), "LegacySnapshot"),
    (lambda evs: delete_snapshots(evs, any_of(volume())), "Volume"),
    (lambda evs: wait_for_snapshots(evs, any_of(7)), "7 is no name"),
]
WORDS: list[tuple[Call, str]] = [
    (create(in_place=True), "create takes no in_place: True"),
    (create(foreign=True), "create takes no foreign: True"),
    (prune(once_per="day"), "prune takes no once_per: 'day'"),
    (back(as_name="x", keep=Keep(last=1)), "restore takes no keep"),
    (lambda evs: delete_snapshots(evs, "s", **any_of({"together": 1})), "delete takes no together"),
    (create(timeout="15m"), "timeout '15m' "),
    (create(timeout=-1), "timeout -1 "),
    (create(timeout=float("nan")), "timeout nan "),
    (create(timeout=float("inf")), "timeout inf "),
    (create(timeout=10**400), "timeout 1000"),
    (create(lock_wait=True), "lock_wait True "),
    (lambda evs: wait_for_snapshots(evs, "s", timeout=-1), "timeout -1 "),
    (create(once_per="month"), "once_per 'month' "),
    (create(once_per=["day"]), "once_per ['day'] "),
    (create(on_limit={"replace"}), "on_limit {'replace'} "),
    (create(limit=0), "limit 0 "),
    (create(limit=7.5), "limit 7.5 "),
    (create(parallel=0), "parallel 0 "),
    (create(parallel=65), "parallel 65 "),
    (create(wait="no"), "wait 'no' "),
    (create(dry_run=1), "dry_run 1 "),
    (create(name=None), "name None "),
    (create(name="{disk}"), "the unknown field {disk}"),
    (create(name="a\nb"), r"--name 'a\nb' "),
    (create(description="x" * 86), "--description has more than 85 "),
    (create(properties=[("k", "v")]), "properties [('k', 'v')] "),
    (create(properties={"k": 1}), "properties: 'k' = 1 "),
    (create(properties={"": "x"}), "--property ''"),
    (create(properties={"evs_snap_key": "x"}), "--property 'evs_snap_key'"),
    (create(properties={"__system__x": "x"}), "--property '__system__x'"),
    (create(properties={"k": "x" * 256}), "'k': more than 255 "),
    (create(properties={"k" * 256: "x"}), "'kkkkkkkkkkkkkkkkkkkk': more than 255 "),
    (create(policy=7), "policy 7 "),
    (create(policy=""), "--policy '' "),
    (create(policy=" x"), "--policy ' x' "),
    (create(policy="a\x1b[31mb"), r"--policy 'a\x1b[31mb' "),
    (create(policy="x" * 256), "'policy': more than 255 "),
    (create(hold=""), "--hold '' "),
    (create(hold=["sync"]), "hold ['sync'] "),
    (create(hold="sync", hold_for=0), "--hold-for 0s "),
    (create(hold="sync", wait=False), "--hold and --no-wait"),
    (create(note=1), "note 1 "),
    (create(progress="loudly"), "progress 'loudly' "),
    (create(nonsense=1), "nonsense"),
    (back(), "one of the two"),
    (back(as_name="x", in_place=True), "one of the two"),
    (back(as_name=" "), "--as ' ' "),
    (back(as_name="x" * 65), "--as 'xxx"),
    (back(as_name="a\x1b[0m"), r"--as 'a\x1b[0m' "),
    (back(as_name="x", size=0), "size 0 "),
    (back(as_name="x", safety_snapshot=False), "--no-safety-snapshot goes with --in-place"),
    (back(as_name="x", properties={"__system__encrypted": "1"}), "'__system__encrypted'"),
    (back(in_place=True, size=4), "go with --as"),
    (back(in_place=True, wait=False), "go with --as"),
]


@pytest.mark.parametrize(("call", "named"), [*NOTHING, *RULES, *WHICH, *WORDS])
def test_what_cannot_work_is_refused_by_name_and_nothing_is_sent(
    call: Call, named: str, evs: EvsClient, told: list[str]
) -> None:
    """found: the guards stood in the command line alone.

    In the library a prune of no disks pruned all of the project, empty rules deleted all but the
    newest, ``full-*`` was read letter by letter, "" was the snapshot without a name, and
    ``timeout="15m"`` failed after the snapshot was made.
    """
    with pytest.raises(ConfigurationError) as refused:
        call(evs)
    assert named in refused.value.message
    assert refused.value.exit_code == 2
    assert told == []


@pytest.mark.parametrize(
    "words",
    [
        {"policy": "x" * 255},
        {"policy": "nightly db größe"},
        {"properties": {"k" * 255: "x" * 255, "evs": ""}},
        {"description": "x" * 85},
        {"once_per": None, "limit": None, "keep": None},
        {"timeout": 0, "parallel": 64},
    ],
)
def test_what_just_fits_is_taken(words: dict[str, Any], evs: EvsClient) -> None:
    assert create_snapshots(evs, DISK, **words, wait=False).exit_code == 0


def test_names_and_a_selection_are_a_union_and_records_are_taken_for_ids(evs: EvsClient) -> None:
    """found: names beside ``selection=`` were dropped, and a Volume was no name."""
    first, second, third, *_ = evs.volumes()
    record = create_snapshots(
        evs, first, second.id, selection=Selection(volumes=(third.id, first.id))
    )
    assert [i.volume.id for i in record.items if i.volume] == [first.id, second.id, third.id]
    made = [item.snapshot for item in record.items if item.snapshot]
    assert wait_for_snapshots(evs, *made).exit_code == 0
    assert delete_snapshots(evs, *made).summary == {"deleted": 3}


# Values of any type

TEXT, FLAG, SECONDS, COUNT = (str,), (bool,), (int, float), (int,)
MAYBE_SECONDS = (*SECONDS, NoneType)
COMMON: dict[str, tuple[type, ...]] = {"lock_wait": SECONDS, "dry_run": FLAG}
CREATE = {
    **COMMON, "name": TEXT, "description": (str, NoneType), "properties": (dict, NoneType),
    "policy": (str, NoneType), "once_per": (str, NoneType), "limit": (int, NoneType),
    "on_limit": TEXT, "keep": (Keep, NoneType), "wait": FLAG, "timeout": MAYBE_SECONDS,
    "expire_after": MAYBE_SECONDS, "parallel": COUNT, "selection": (Selection, NoneType),
    "hold_for": SECONDS,
}  # fmt: skip
PRUNE = {name: CREATE[name] for name in ("policy", "limit", "parallel", "selection")} | COMMON
DELETE = {**COMMON, "foreign": FLAG, "parallel": COUNT}
RESTORE = {
    **COMMON, "as_name": TEXT, "size": (int, NoneType), "type": (str, NoneType),
    "properties": (dict, NoneType), "safety_snapshot": FLAG, "wait": FLAG, "timeout": MAYBE_SECONDS,
}  # fmt: skip
VERBS: dict[Any, tuple[Any, dict[str, tuple[type, ...]]]] = {
    create_snapshots: (create, CREATE),
    prune_snapshots: (prune, {**PRUNE, "keep": (Keep,)}),
    delete_snapshots: (lambda **words: lambda evs: delete_snapshots(evs, "s", **words), DELETE),
    restore: (lambda **words: back(**{"as_name": "new", **words}), RESTORE),
}
WAYS = [(make, name, kinds) for make, fields in VERBS.values() for name, kinds in fields.items()]
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.timedeltas()
    | st.sampled_from([10**400, -(10**400), "day", "replace", "\udce9", object, object()]),
    lambda inner: (
        st.lists(inner)
        | st.sets(st.integers())
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
    ),
    max_leaves=4,
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(way=st.sampled_from(WAYS), value=ANY)
def test_a_word_of_any_type_is_refused_or_does_what_it_says(
    way: tuple[Any, str, tuple[type, ...]], value: object, evs: EvsClient, told: list[str]
) -> None:
    """Property: one of the wrong type is always refused, and whatever is refused sends nothing."""
    make, name, kinds = way
    fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    del told[:]
    try:
        record = make(**{"dry_run": True, name: value})(evs)
    except ConfigurationError:
        assert told == []
    except EvsSnapError:
        assert fits, "no snapshot is called 's', say"
    else:
        assert fits, f"{name} {value!r} was taken"
        assert isinstance(record, RunRecord)


def test_region_and_kind_are_said_to_connect() -> None:
    """found: only OS_REGION_NAME chose the region, so a program could not use two."""
    with connect(sandbox=True, region=STANDARD_REGION, kind="standard") as client:
        assert "db-log" in {disk.name for disk in client.volumes()}
        assert client.limit == 256
