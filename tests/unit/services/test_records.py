"""What the service says is read leniently: one odd row spoils no listing."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evs_snap.api.wire import parse_time
from evs_snap.services.interface import QuotaSet, Volume
from evs_snap.services.legacy import LegacySnapshot as Snapshot

SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.000000",
        "2026-01-02t03:04:05",
        "2026-01-02 03:04:05",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.000000Z",
        "2026-01-02T05:04:05+02:00",
        " 2026-01-02T03:04:05 ",
    ],
)
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    assert parse_time(text) == MOMENT


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_the_zone_of_this_machine_changes_nothing(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: times without a zone read as local time were noticed by no test."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert parse_time("2026-01-02T03:04:05") == MOMENT
        assert (
            Snapshot.model_validate({"id": "s", "created_at": "2026-01-02T03:04:05"}).created_at
            == MOMENT
        )
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "0000-00-00T00:00:00",
        "2026-02-30T00:00:00",
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+05:00",
        "10000-01-01T00:00:00",
        1767323045,
        1.5,
        True,
        None,
        [],
        {},
        "�",
        "2026-01-02T03:04:05x",
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    """Never a guess: rotation must not judge by it."""
    assert parse_time(value) is None


@given(st.text(alphabet="0123456789-:.tTzZ+ W"))
def test_any_text_is_a_time_in_utc_or_none(text: str) -> None:
    moment = parse_time(text)
    assert moment is None or moment.tzinfo is UTC


@given(st.dictionaries(st.sampled_from(sorted(Volume.model_fields)), ODD))
def test_any_volume_with_an_id_is_read(row: dict[str, object]) -> None:
    volume = Volume.model_validate({**row, "id": "v1", "unknown": 1})
    assert volume.id == "v1"
    assert isinstance(volume.attached_to, tuple)


@given(st.dictionaries(st.sampled_from(sorted(Snapshot.model_fields)), ODD))
def test_any_snapshot_with_an_id_is_read(row: dict[str, object]) -> None:
    snapshot = Snapshot.model_validate({**row, "id": "s1"})
    assert snapshot.status
    assert isinstance(snapshot.is_system, bool)
    assert snapshot.policy is None or snapshot.policy


@pytest.mark.parametrize("id_", [None, "", 7, ["x"], {}])
def test_a_row_without_an_id_is_refused(id_: object) -> None:
    with pytest.raises(ValidationError):
        Snapshot.model_validate({"id": id_})


def test_documented_oddities_of_a_volume_are_understood() -> None:
    volume = Volume.model_validate(
        {
            "id": "v",
            "name": None,
            "status": "IN-USE",
            "size": "40",
            "bootable": "true",
            "multiattach": "False",
            "encrypted": None,
            "metadata": None,
            "attachments": [{"server_id": "a"}, {"server_id": None}, "odd", {"server_id": "b"}],
        }
    )
    assert (volume.name, volume.status, volume.size) == (None, "in-use", 40)
    assert (volume.bootable, volume.multiattach, volume.encrypted) == (True, False, None)
    assert volume.metadata == {}
    assert volume.attached_to == ("a", "b")


@pytest.mark.parametrize(
    ("size", "read"),
    [
        (40, 40),
        ("40", 40),
        (40.0, 40),
        (40.5, None),
        (True, None),
        (float("inf"), None),
        (float("nan"), None),
        ("40 GB", None),
        (10**400, 10**400),
        (None, None),
        ([], None),
    ],
)
def test_a_size_is_a_whole_number_or_unknown(size: object, read: int | None) -> None:
    assert Volume.model_validate({"id": "v", "size": size}).size == read


@pytest.mark.parametrize("status", [None, "", 7, [], True])
def test_a_status_that_is_none_is_unknown(status: object) -> None:
    assert Snapshot.model_validate({"id": "s", "status": status}).status == "unknown"
    assert Volume.model_validate({"id": "v", "status": status}).status == "unknown"


def test_a_backup_services_snapshot_is_known_by_name_or_metadata() -> None:
    for row in (
        {"name": "autobk_snapshot_vbs_2026"},
        {"name": "manualbk_snapshot_csbs_2026"},
        {"metadata": {"__system__enableActive": "true"}},
    ):
        assert Snapshot.model_validate({"id": "s", **row}).is_system
    assert not Snapshot.model_validate({"id": "s", "name": "my autobk_snapshot_"}).is_system


def test_our_stamp_makes_a_snapshot_ours() -> None:
    assert Snapshot.model_validate({"id": "s", "name": "evs-snap"}).policy is None
    stamped = {"evs_snap_key": "k", "evs_snap_policy": "nightly"}
    assert Snapshot.model_validate({"id": "s", "metadata": stamped}).policy == "nightly"
    unnamed = {"evs_snap_key": "k", "evs_snap_policy": ""}
    assert Snapshot.model_validate({"id": "s", "metadata": unnamed}).policy == "default"


def test_an_undated_snapshot_sorts_as_the_oldest_and_never_as_the_newest() -> None:
    """found: text was compared, and "None" sorts after every date."""
    later = MOMENT.replace(year=2027)
    rows = [
        Snapshot(id=id_, created_at=made)
        for id_, made in (("late", later), ("b", MOMENT), ("undated", None), ("a", MOMENT))
    ]
    assert [s.id for s in sorted(rows, key=lambda s: s.age_key)] == ["undated", "a", "b", "late"]


@pytest.mark.parametrize(
    ("status", "broken"),
    [("error", True), ("error_deleting", True), ("available", False), ("creating", False)],
)
def test_a_status_of_error_means_broken(status: str, *, broken: bool) -> None:
    assert Snapshot(id="s", status=status).is_broken is broken


@pytest.mark.parametrize(
    ("quota", "free"),
    [
        ({"limit": 10, "in_use": 6, "reserved": 1}, 3),
        ({"limit": 10, "in_use": 12, "reserved": 0}, 0),
        ({"limit": 10, "in_use": 6}, 4),
        ({"limit": -1, "in_use": 6, "reserved": 0}, None),
        ({"limit": 10}, None),
        (10, None),
        (None, None),
        ("odd", None),
        ([1], None),
    ],
)
def test_what_is_left_of_a_quota_is_counted_or_unknown(quota: object, free: int | None) -> None:
    assert QuotaSet.model_validate({"id": "p", "snapshots": quota}).snapshots.free == free


def test_recorded_rows_are_read() -> None:
    body = json.loads((SAMPLES / "019-volumes-detail-limit-3.json").read_text())["response"]["body"]
    volumes = [Volume.model_validate(row) for row in body["volumes"]]
    assert len(volumes) == 3
    assert all(v.created_at and v.created_at.tzinfo is UTC and v.size for v in volumes)
