"""What the service says is read leniently: one odd row spoils no listing."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evs_snap.api.wire import parse_time
from evs_snap.services.interface import QuotaSet, Volume
from evs_snap.services.legacy import LegacySnapshot as Snapshot

SAMPLES = Path(__file__).parents[2] / "samples"
TABLE: dict[str, Any] = yaml.safe_load((SAMPLES / "records.yaml").read_text("utf-8"))
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def snapshot(**row: Any) -> Snapshot:
    return Snapshot.model_validate({"id": "s", **row})


@pytest.mark.parametrize("zone", ["VET4", "Pacific/Auckland", "America/Los_Angeles"])
def test_a_time_without_a_zone_is_utc_whatever_the_zone_of_this_machine(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: times without a zone read as local time were noticed by no test."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert {parse_time(text) for text in TABLE["times"]} == {MOMENT}
        assert snapshot(created_at="2026-01-02T03:04:05").created_at == MOMENT
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_no_time_is_none() -> None:
    assert [value for value in TABLE["no_times"] if parse_time(value) is not None] == []


@given(st.text(alphabet="0123456789-:.tTzZ+ W"))
def test_any_text_is_a_time_in_utc_or_none(text: str) -> None:
    moment = parse_time(text)
    assert moment is None or moment.tzinfo is UTC


@given(
    st.dictionaries(st.sampled_from(sorted({*Volume.model_fields, *Snapshot.model_fields})), ODD)
)
def test_any_row_with_an_id_is_read(row: dict[str, object]) -> None:
    volume = Volume.model_validate({**row, "id": "v1", "unknown": 1})
    assert volume.id == "v1"
    assert isinstance(volume.attached_to, tuple)
    found = snapshot(**{**row, "id": "s1"})
    assert found.status
    assert isinstance(found.is_system, bool)
    assert found.policy is None or found.policy


@pytest.mark.parametrize("id_", TABLE["no_ids"])
def test_a_row_without_an_id_is_refused(id_: object) -> None:
    with pytest.raises(ValidationError):
        snapshot(id=id_)


def test_documented_oddities_of_a_volume_are_understood() -> None:
    volume = Volume.model_validate(TABLE["disk"]["row"])
    assert {key: getattr(volume, key) for key in TABLE["disk"]["read"]} == TABLE["disk"]["read"]
    assert volume.attached_to == ("a", "b")


@pytest.mark.parametrize(("size", "read"), [*TABLE["sizes"], (10**400, 10**400)])
def test_a_size_is_a_whole_number_or_unknown(size: object, read: int | None) -> None:
    assert Volume.model_validate({"id": "v", "size": size}).size == read


def test_a_status_that_is_none_is_unknown_and_one_of_error_means_broken() -> None:
    for status in TABLE["no_statuses"]:
        assert snapshot(status=status).status == "unknown"
        assert Volume.model_validate({"id": "v", "status": status}).status == "unknown"
    for status, broken in TABLE["broken"].items():
        assert snapshot(status=status).is_broken is broken


@pytest.mark.parametrize(("row", "is_system"), TABLE["of_backup_services"], ids=str)
def test_a_backup_services_snapshot_is_known_by_name_or_metadata(
    row: dict[str, Any], *, is_system: bool
) -> None:
    assert snapshot(**row).is_system is is_system


@pytest.mark.parametrize(("row", "policy"), TABLE["policies"], ids=str)
def test_our_stamp_makes_a_snapshot_ours(row: dict[str, Any], policy: str | None) -> None:
    assert snapshot(**row).policy == policy


def test_an_undated_snapshot_sorts_as_the_oldest_and_never_as_the_newest() -> None:
    """found: text was compared, and "None" sorts after every date."""
    later = MOMENT.replace(year=2027)
    rows = [
        Snapshot(id=id_, created_at=made)
        for id_, made in (("late", later), ("b", MOMENT), ("undated", None), ("a", MOMENT))
    ]
    assert [s.id for s in sorted(rows, key=lambda s: s.age_key)] == ["undated", "a", "b", "late"]


@pytest.mark.parametrize(("quota", "free"), TABLE["quotas"], ids=str)
def test_what_is_left_of_a_quota_is_counted_or_unknown(quota: object, free: int | None) -> None:
    assert QuotaSet.model_validate({"id": "p", "snapshots": quota}).snapshots.free == free


def test_recorded_rows_are_read() -> None:
    sample = SAMPLES / "cinder" / "019-volumes-detail-limit-3.json"
    body = json.loads(sample.read_text())["response"]["body"]
    volumes = [Volume.model_validate(row) for row in body["volumes"]]
    assert len(volumes) == 3
    assert all(v.created_at and v.created_at.tzinfo is UTC and v.size for v in volumes)
