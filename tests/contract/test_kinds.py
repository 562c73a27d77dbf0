"""What every kind of snapshots does: each kind proves it by a class that inherits the contract.

The sandbox and, where OS_* variables name one, a real cloud are held to it alike.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from tests.conftest import Cloud

from evs_snap import connect, create_snapshots
from evs_snap.errors import AnswerLostError, ConfigurationError, NotFoundError, ServiceError
from evs_snap.sandbox import STANDARD_REGION, Rules, Sandbox
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import QuotaSet, Stamp
from evs_snap.services.legacy import Legacy
from evs_snap.services.standard import Standard
from evs_snap.settings import sandbox_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import FakeClock

    from evs_snap.services.interface import Created, Snapshot, SnapshotService

NOWHERE = "11111111-2222-4333-8444-555555555555"

STORED_NAMES = {
    "plain": "plain",
    "": "",
    "   ": "",
    "  padded  ": "padded",
    "数据盘-größe": "数据盘-größe",
    "e\u0301 \U0001f600 \u202eabc": "e\u0301 \U0001f600 \u202eabc",
    "two\nlines\tand \x1b[31mred": "two\nlines\tand \x1b[31mred",
}
"""What was sent, and what comes back."""


def _make(cloud: Cloud, volume_id: str, *, name: str = "one", **words: Any) -> Snapshot:
    volume = cloud.client.volume(volume_id)
    return cloud.client.create_snapshot(volume, name=name, **words).snapshot


def _made(cloud: Cloud, volume_id: str, **words: Any) -> Snapshot:
    """Make one and see it usable: some kinds make one at a time."""
    made = _make(cloud, volume_id, **words)
    _settled(cloud, made)
    return made


def _settled(cloud: Cloud, *snapshots: Snapshot) -> None:
    for snapshot in snapshots:
        cloud.until(lambda s=snapshot: cloud.client.snapshot(s.id).is_usable)  # type: ignore[misc]  # mypy wants no default here


def _get(cloud: Cloud, path: str, **query: str | int) -> Any:
    """Ask for what the client has no method for."""
    asked = f"{path}?{urlencode(query)}" if query else path
    return cloud.client.project.send("GET", asked).json()


def _pages(cloud: Cloud, path: str, key: str, **query: str | int) -> list[list[str]]:
    """Return the IDs on each page, walking by marker until a page is empty."""
    pages: list[list[str]] = []
    while not pages or pages[-1]:
        marker = {"marker": pages[-1][-1]} if pages else {}
        pages.append([row["id"] for row in _get(cloud, path, **query, **marker)[key]])
    return pages


def _is_gone(cloud: Cloud, snapshot_id: str) -> bool:
    try:
        cloud.client.snapshot(snapshot_id)
    except NotFoundError:
        return True
    return False


class Lossy(EvsClient):
    """A client that loses the answer to its first request for a snapshot, which is carried out."""

    lost = 0

    def create_snapshot(self, *args: Any, **words: Any) -> Created:
        created = super().create_snapshot(*args, **words)
        self.lost += 1
        if self.lost == 1:
            raise AnswerLostError("lost on the way")
        return created


class SnapshotServiceContract:
    """Inherit it, and name the ``kind``: its tests are the kind's proof."""

    kind: ClassVar[type[SnapshotService]]
    longest_name = 255

    @pytest.fixture(name="cloud")
    def _of_this_kind(self, cloud: Cloud) -> Cloud:
        client = EvsClient(cloud.client.project, kind=self.kind)
        # Disks are made and removed by the same means, whatever the kind.
        return replace(cloud, client=client)

    def test_it_has_a_name_and_a_limit_and_its_records_carry_the_name(self, cloud: Cloud) -> None:
        made = _make(cloud, cloud.volume("contract"))
        assert made.kind == self.kind.kind
        assert cloud.client.limit == self.kind.limit > 0
        _settled(cloud, made)

    def test_a_snapshot_goes_from_creating_to_available_to_gone(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        made = _make(cloud, volume_id)
        assert (made.status, made.volume_id, made.name) == ("creating", volume_id, "one")
        assert [s.id for s in cloud.client.snapshots(volume_id=volume_id)] == [made.id]

        _settled(cloud, made)
        shown = cloud.client.snapshot(made.id)
        assert (shown.size, shown.created_at) == (1, made.created_at)

        cloud.client.delete_snapshot(made.id)
        cloud.until(lambda: _is_gone(cloud, made.id))
        assert cloud.client.snapshots(volume_id=volume_id) == []
        with pytest.raises(NotFoundError) as caught:
            cloud.client.delete_snapshot(made.id)
        assert caught.value.status == 404
        assert caught.value.exit_code == 5

    def test_deletion_is_refused_while_creating(self, cloud: Cloud) -> None:
        made = _make(cloud, cloud.volume("contract"))
        if cloud.client.snapshot(made.id).status == "creating":  # a fast cloud may be done
            with pytest.raises(ServiceError) as caught:
                cloud.client.delete_snapshot(made.id)
            assert caught.value.status == 400
            assert not _is_gone(cloud, made.id)
        _settled(cloud, made)

    def test_lists_of_one_disk_hold_its_snapshots_only(self, cloud: Cloud) -> None:
        mine, other = cloud.volume("contract"), cloud.volume("contract")
        made, foreign = _make(cloud, mine), _make(cloud, other)
        assert [s.id for s in cloud.client.snapshots(volume_id=mine)] == [made.id]
        assert [s.id for s in cloud.client.snapshots(volume_id=other)] == [foreign.id]
        assert {made.id, foreign.id} <= {s.id for s in cloud.client.snapshots()}
        assert cloud.client.snapshots(volume_id=NOWHERE) == []
        _settled(cloud, made, foreign)

    def test_names_come_back_as_sent_but_for_blanks_at_their_ends(self, cloud: Cloud) -> None:
        # In lots of six: EVS, and the sandbox, hold no more than seven on a disk.
        longest = "中" * self.longest_name
        expected = {**STORED_NAMES, longest: longest}
        names = list(expected)
        made = {}
        for start in range(0, len(names), 6):
            volume_id = cloud.volume("contract")
            for name in names[start : start + 6]:
                made[name] = _made(cloud, volume_id, name=name)
        stored = {name: cloud.client.snapshot(s.id).name for name, s in made.items()}
        assert stored == expected
        assert {name: s.name for name, s in made.items()} == expected

    def test_two_snapshots_of_one_disk_may_share_a_name(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        made = [_made(cloud, volume_id, name="duplicate") for _ in range(2)]
        assert len({s.id for s in made}) == 2

    def test_a_description_is_kept(self, cloud: Cloud) -> None:
        made = _make(cloud, cloud.volume("contract"), description="vor dem Umzug")
        assert cloud.client.snapshot(made.id).description == "vor dem Umzug"
        _settled(cloud, made)

    def test_times_are_in_utc_and_of_now(self, cloud: Cloud) -> None:
        made = _make(cloud, cloud.volume("contract"))
        assert made.created_at is not None
        assert abs((made.created_at - cloud.clock.now()).total_seconds()) < 120
        _settled(cloud, made)

    def test_lists_are_newest_first_and_may_be_asked_for_one_status(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        made = [_made(cloud, volume_id, name=f"n{number}") for number in range(3)]
        newest_first = [s.id for s in reversed(made)]
        assert [s.id for s in cloud.client.snapshots(volume_id=volume_id)] == newest_first
        for status, listed in (("available", newest_first), ("error", [])):
            pages = cloud.client.snapshot_pages(volume_id=volume_id, status=status)
            assert [s.id for page in pages for s in page.rows] == listed

    @pytest.mark.parametrize("stamp", [Stamp("k"), Stamp("k", "nightly", "2026-W48", "app"), None])
    def test_a_stamp_comes_back_wherever_the_snapshot_is_read(
        self, cloud: Cloud, stamp: Stamp | None
    ) -> None:
        made = _make(cloud, cloud.volume("contract"), stamp=stamp, properties={"env": "prod"})
        _settled(cloud, made)
        (listed,) = cloud.client.snapshots(volume_id=made.volume_id)
        for row in (made, cloud.client.snapshot(made.id), listed):
            assert row.stamp == stamp
            assert row.policy == (stamp.policy if stamp else None)
            assert row.labels["env"] == "prod"

    def test_labels_that_it_does_not_refuse_come_back_as_stored(self, cloud: Cloud) -> None:
        labels = {
            "evs_snap_key": str(uuid4()),
            "a:b.c/d e-f_g": "größe \U0001f600\n",
            "empty": "",
            "padded": " as it is ",
            "k" * 255: "v" * 255,
        }
        taken = {}
        for key, value in labels.items():
            try:
                cloud.client.service.refuse(properties={key: value}, policy="default")
            except ConfigurationError:
                continue
            taken[key] = value
        made = _make(cloud, cloud.volume("contract"), properties=taken)
        assert "evs_snap_key" in taken
        assert cloud.client.snapshot(made.id).labels == taken
        _settled(cloud, made)

    def test_what_does_not_exist_is_a_missing_error_with_a_request_id(self, cloud: Cloud) -> None:
        gone = cloud.client.volume(cloud.volume("contract")).model_copy(update={"id": NOWHERE})
        calls = (
            lambda: cloud.client.snapshot(NOWHERE),
            lambda: cloud.client.delete_snapshot(NOWHERE),
            lambda: cloud.client.create_snapshot(gone),
        )
        for call in calls:
            with pytest.raises(NotFoundError) as caught:
                call()
            assert caught.value.status == 404
            assert caught.value.request_id
            assert NOWHERE in caught.value.message

    @pytest.mark.parametrize("strange", ["not-an-id", "..", "größe", "a/b", "%2e%2e", "\U0001f600"])
    def test_what_cannot_be_an_id_is_missing_too(self, cloud: Cloud, strange: str) -> None:
        with pytest.raises(ServiceError):
            cloud.client.snapshot(strange)
        with pytest.raises(ServiceError):
            cloud.client.delete_snapshot(strange)

    def test_a_lost_answer_leaves_one_snapshot_which_is_found_by_its_stamp(
        self, cloud: Cloud
    ) -> None:
        volume_id = cloud.volume("contract")
        record = create_snapshots(Lossy(cloud.client.project, kind=self.kind), volume_id)
        (only,) = cloud.client.snapshots(volume_id=volume_id)
        assert record.exit_code == 0
        assert [i.snapshot.id for i in record.items if i.snapshot] == [only.id]

    def test_at_its_limit_nothing_is_sent(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        for number in range(3):
            _made(cloud, volume_id, name=f"n{number}")
        del cloud.told[:]
        assert create_snapshots(cloud.client, volume_id, limit=3).exit_code == 6
        assert not [line for line in cloud.told if line.startswith("POST")]


class TestLegacy(SnapshotServiceContract):
    """Cinder's snapshots, and what is Cinder's alone."""

    kind = Legacy

    def test_the_summary_list_names_the_same_snapshots(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        made = [_make(cloud, volume_id, name=name) for name in ("a", "b")]
        rows = _get(cloud, "snapshots", volume_id=volume_id)["snapshots"]
        assert {(row["id"], row["name"]) for row in rows} == {(s.id, s.name) for s in made}
        assert all(row["volume_id"] == volume_id for row in rows)
        _settled(cloud, *made)

    def test_snapshots_are_listed_newest_first_and_page_by_page(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        made = []
        for number in range(4):
            made.append(_make(cloud, volume_id, name=f"n{number}"))
            cloud.clock.sleep(0.01)
        newest_first = [s.id for s in reversed(made)]

        for size, lengths in ((1, [1, 1, 1, 1, 0]), (2, [2, 2, 0]), (3, [3, 1, 0]), (4, [4, 0])):
            pages = _pages(cloud, "snapshots/detail", "snapshots", volume_id=volume_id, limit=size)
            assert [len(page) for page in pages] == lengths
            assert [id_ for page in pages for id_ in page] == newest_first
        assert [s.id for s in cloud.client.snapshots(volume_id=volume_id)] == newest_first
        _settled(cloud, *made)

    def test_a_full_page_has_a_next_link_and_a_short_one_has_none(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        made = [_make(cloud, volume_id) for _ in range(2)]

        full = _get(cloud, "snapshots/detail", volume_id=volume_id, limit=2)
        (link,) = full["snapshots_links"]
        assert link["rel"] == "next"
        assert f"marker={full['snapshots'][-1]['id']}" in link["href"]

        short = _get(cloud, "snapshots/detail", volume_id=volume_id, limit=3)
        assert not short.get("snapshots_links")
        _settled(cloud, *made)

    def test_a_marker_that_is_gone_is_an_error_not_a_first_page(self, cloud: Cloud) -> None:
        with pytest.raises(NotFoundError):
            _get(cloud, "snapshots/detail", marker=NOWHERE)
        with pytest.raises(NotFoundError):
            _get(cloud, "volumes/detail", marker=NOWHERE)

    def test_a_listing_starts_anew_when_its_marker_is_deleted_under_it(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        made = [_make(cloud, volume_id, name=f"n{n}") for n in range(3)]
        _settled(cloud, *made)
        (first,) = _get(cloud, "snapshots/detail", volume_id=volume_id, limit=1)["snapshots"]
        cloud.client.delete_snapshot(first["id"])
        cloud.until(lambda: _is_gone(cloud, first["id"]))
        with pytest.raises(NotFoundError):
            _get(cloud, "snapshots/detail", volume_id=volume_id, limit=1, marker=first["id"])
        left = {s.id for s in cloud.client.snapshots(volume_id=volume_id)}
        assert left == {s.id for s in made} - {first["id"]}

    def test_snapshots_are_filtered_by_exact_name_and_status(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        made = {name: _make(cloud, volume_id, name=name) for name in ("aa", "aab", "größe&=%")}
        _settled(cloud, *made.values())
        for name, snapshot in made.items():
            rows = _get(cloud, "snapshots/detail", volume_id=volume_id, name=name)["snapshots"]
            assert [row["id"] for row in rows] == [snapshot.id]
        ready = _get(cloud, "snapshots/detail", volume_id=volume_id, status="available")[
            "snapshots"
        ]
        assert {row["id"] for row in ready} == {s.id for s in made.values()}
        assert (
            _get(cloud, "snapshots/detail", volume_id=volume_id, status="error")["snapshots"] == []
        )

    @pytest.mark.parametrize(
        "metadata",
        [{"ключ": "x"}, {"a=b": "x"}, {"": "x"}, {"k" * 256: "x"}, {"a": "v" * 256}],
        ids=["letters", "equals", "no key", "long key", "long value"],
    )
    def test_metadata_out_of_bounds_is_refused_and_makes_nothing(
        self, cloud: Cloud, metadata: dict[str, str]
    ) -> None:
        volume_id = cloud.volume("contract")
        with pytest.raises(ServiceError) as caught:
            _make(cloud, volume_id, properties=metadata)
        assert caught.value.status == 400
        assert cloud.client.snapshots(volume_id=volume_id) == []

    def test_a_name_or_description_of_256_characters_is_refused(self, cloud: Cloud) -> None:
        volume_id = cloud.volume("contract")
        with pytest.raises(ServiceError) as caught:
            _make(cloud, volume_id, name="x" * 256)
        assert caught.value.status == 400
        with pytest.raises(ServiceError):
            _make(cloud, volume_id, description="x" * 256)
        assert cloud.client.snapshots(volume_id=volume_id) == []

    def test_quotas_can_be_read_and_count_a_new_snapshot(self, cloud: Cloud) -> None:
        before = cloud.client.quota()
        made = _make(cloud, cloud.volume("contract"))
        after = cloud.client.quota()
        assert isinstance(after, QuotaSet)
        assert before.snapshots.in_use is not None
        assert after.snapshots.in_use is not None
        # Others may be at work in a real cloud: at least ours is counted.
        assert after.snapshots.limit is not None
        if cloud.name == "sandbox":
            assert after.snapshots.in_use == before.snapshots.in_use + 1
        _settled(cloud, made)


class TestStandard(SnapshotServiceContract):
    """Those of Huawei Cloud's v5, in the pretend cloud's second region."""

    kind = Standard
    longest_name = 64

    @pytest.fixture(name="cloud")
    def _of_this_kind(self, fake: FakeClock, tmp_path: Path) -> Iterator[Cloud]:
        rules = Rules(first_upload=1, later_upload=1)
        app = Sandbox(tmp_path / "sandbox.db", now=fake.clock.now, rules=rules)
        settings = sandbox_settings(region=STANDARD_REGION, kind="standard")
        told: list[str] = []
        with connect(settings=settings, app=app, clock=fake.clock, trace=told.append) as client:

            def post(path: str, body: dict[str, object]) -> Any:
                return json.loads(client.project.send("POST", path, body=body).content)

            yield Cloud("sandbox", client, fake.clock, post, lambda _path: None, told)
