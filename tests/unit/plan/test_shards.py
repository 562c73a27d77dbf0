"""Several processes share the disks: each disk is one's, whoever counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import volume
from tests.unit.plan.any_disk import many

from evs_snap.errors import ConfigurationError
from evs_snap.plan.selection import Selection, select
from evs_snap.plan.shards import Shard, parse_shard

IDS = st.sets(st.integers(0, 10**6).map(str), max_size=9)


def chosen(ids: set[str], shard: Shard) -> set[str]:
    disks = [volume(id_) for id_ in sorted(ids | {"one"})]
    return {v.id for v in select(disks, Selection(everything=True, shard=shard))}


@many
@given(IDS, IDS, st.integers(1, 12))
def test_every_disk_is_in_one_part_and_no_disk_in_two_and_another_disk_moves_none(
    ids: set[str], more: set[str], count: int
) -> None:
    shards = [Shard(index, count) for index in range(count)]
    parts = [chosen(ids, shard) for shard in shards]
    assert sorted(id_ for part in parts for id_ in part) == sorted(ids | {"one"})
    assert [chosen(ids | more, shard) & (ids | {"one"}) for shard in shards] == parts


def test_the_part_of_a_disk_is_the_same_in_every_process_and_release() -> None:
    """Python's own hash() differs from process to process."""
    ids = ("5072a9e5-66eb-42a2-9120-e78b6dbedc9f", "data-01", "größe")
    assert [[n for n in range(4) if Shard(n, 4).has(id_)] for id_ in ids] == [[3], [2], [3]]


def test_a_thousand_disks_are_spread_evenly() -> None:
    ids = {f"00000000-0000-4000-8000-{n:012x}" for n in range(1000)}
    assert all(200 < len(chosen(ids, Shard(index, 4))) < 300 for index in range(4))


@pytest.mark.parametrize(
    ("text", "index", "shard"),
    [("0/4", None, Shard(0, 4)), ("3/4", "1", Shard(3, 4)), (" 1/2 ", None, Shard(1, 2)),
     ("/4", "0", Shard(0, 4)), ("/4", "3", Shard(3, 4))],
)  # fmt: skip
def test_the_part_is_given_or_taken_from_the_job(
    text: str, index: str | None, shard: Shard
) -> None:
    assert parse_shard(text, index=index) == shard


@pytest.mark.parametrize(
    ("text", "index", "told"),
    [
        ("4/4", None, "the first number must be 0 to 3"),
        ("/4", "4", "with JOB_COMPLETION_INDEX='4': the first number must be 0 to 3"),
        ("/4", "x", "with JOB_COMPLETION_INDEX='x'"),
        ("/4", None, "JOB_COMPLETION_INDEX is not set"),
        ("/4", "", "JOB_COMPLETION_INDEX is not set"),
        ("0/0", None, "is not I/N"),
        ("-1/4", None, "is not I/N"),
        ("", "0", "is not I/N"),
        ("1/4/2", None, "is not I/N"),
        ("١/٤", None, "is not I/N"),  # noqa: RUF001 - digits, but not these
    ],
)
def test_anything_else_is_a_usage_error(text: str, index: str | None, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_shard(text, index=index)
    assert told in refused.value.message
    assert refused.value.exit_code == 2
    assert refused.value.hint
