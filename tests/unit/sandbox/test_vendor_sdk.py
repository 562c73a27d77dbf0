"""The vendor's own client uses the pretend region of standard snapshots, with its own models."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.signature_check import KEYS

from evs_snap import connect
from evs_snap.sandbox import ACCOUNT, STANDARD_REGION
from evs_snap.services.interface import Stamp
from evs_snap.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Sdk, Served

    from evs_snap.services.client import EvsClient

Untyped = Any

DISK = "5d0a7e31-3b0e-4c1c-9a53-1f0c1f5b8e01"
SAS = "5d0a7e31-3b0e-4c1c-9a53-1f0c1f5b8e02"
PAIR = [f"5d0a7e31-3b0e-4c1c-9a53-1f0c1f5b8e0{n}" for n in (3, 4)]


@pytest.fixture(name="evs")
def _evs(sdk: Sdk) -> Untyped:
    return sdk.evs


@pytest.fixture(name="client")
def _client(served: Served) -> Untyped:
    builder = served.sdk.evs.EvsClient.new_builder().with_credentials(served.basic())
    return builder.with_endpoint(served.second_url).build()


def test_snapshots(evs: Untyped, client: Untyped, sdk: Sdk) -> None:
    def show(snapshot_id: str) -> Untyped:
        return client.show_standard_snapshot(evs.ShowStandardSnapshotRequest(snapshot_id)).snapshot

    def listed(**filters: object) -> list[str]:
        answer = client.list_snapshots_details(evs.ListSnapshotsDetailsRequest(**filters))
        return [snapshot.id for snapshot in answer.snapshots]

    def job(job_id: str) -> str:
        return str(client.show_job(evs.ShowJobRequest(job_id)).status)

    wish = evs.CreateStandardSnapshot(
        volume_id=DISK,
        name="data-01-nightly",
        description="by the SDK",
        tags={"evs_snap_key": "k", "empty": ""},
        instant_access=True,
        incremental=False,
        retention_days=7,
    )
    body = evs.CreateStandardSnapshotRequestBody(wish)
    made = client.create_standard_snapshot(evs.CreateStandardSnapshotRequest(body))
    assert job(made.job_id) == "SUCCESS"
    shown = show(made.snapshot_id)
    assert (shown.name, shown.description, shown.volume_id) == (
        "data-01-nightly",
        "by the SDK",
        DISK,
    )
    assert (shown.status, shown.category, shown.snapshot_type, shown.progress) == (
        *("available", "standard", "user"),
        "100",
    )
    assert (shown.tags, shown.incremental) == ({"evs_snap_key": "k", "empty": ""}, False)
    assert (shown.size, shown.availability_zone, bool(shown.retention_at)) == (
        *(40, "sandbox-2a"),
        True,
    )
    (chain,) = shown.snapshot_chains
    assert (chain.snapshot_count, chain.capacity > 0) == (1, True)
    chains = client.list_snapshot_chains(evs.ListSnapshotChainsRequest(volume_id=DISK))
    assert [c.id for c in chains.snapshot_chains] == [chain.id]
    assert client.count_snapshot_chains(evs.CountSnapshotChainsRequest()).count == 4

    assert listed(volume_id=DISK, tag_key="evs_snap_key") == [made.snapshot_id]
    assert listed(snapshot_chain_id=chain.id, limit="1") == [made.snapshot_id]
    assert client.count_snapshots(evs.CountSnapshotsRequest(volume_id=DISK)).count == 1

    change = evs.CinderUpdateSnapshotOptionV5(name="kept", description="", instant_access=False)
    body = evs.UpdateSnapshotRequestBodyV5(change)
    asked = evs.UpdateStandardSnapshotRequest(made.snapshot_id, body)
    changed = client.update_standard_snapshot(asked).snapshot
    assert (changed.name, changed.description, changed.instant_access) == ("kept", "", False)

    tag, drop = evs.CreateResourceTag("team", "db"), evs.DeleteResourceTag("empty")
    body = evs.BatchCreateResourceTagsRequestBody([tag])
    client.batch_create_snapshot_tags(evs.BatchCreateSnapshotTagsRequest(made.snapshot_id, body))
    body = evs.BatchDeleteResourceTagsRequestBody([drop])
    client.batch_delete_snapshot_tags(evs.BatchDeleteSnapshotTagsRequest(made.snapshot_id, body))
    assert show(made.snapshot_id).tags == {"evs_snap_key": "k", "team": "db"}
    tags = client.list_snapshot_tags(evs.ListSnapshotTagsRequest()).tags
    assert {t.key: t.value for t in tags}["team"] == ["db"]

    back = evs.RollbackSnapshotRequestBodyNew(volume_id=DISK)
    body = evs.RollbackSnapshotRequestBodyV5(back)
    asked = evs.RollbackStandardSnapshotRequest(made.snapshot_id, body)
    assert job(client.rollback_standard_snapshot(asked).job_id) == "SUCCESS"

    gone = client.delete_standard_snapshot(evs.DeleteStandardSnapshotRequest(made.snapshot_id))
    assert job(gone.job_id) == "SUCCESS"
    with pytest.raises(sdk.errors.ClientRequestException) as caught:
        show(made.snapshot_id)
    assert (caught.value.status_code, caught.value.error_code) == (404, "EVS.5404")


def test_groups(evs: Untyped, client: Untyped, sdk: Sdk) -> None:
    wish = evs.SnapshotGroup(volume_ids=PAIR, name="db", tags={"k": "v"}, incremental=True)
    asked = evs.CreateSnapshotGroupRequest(evs.CreateSnapshotGroupRequestBody(wish))
    made = client.create_snapshot_group(asked)
    group_id = made.snapshot_group_id
    assert client.show_job(evs.ShowJobRequest(made.job_id)).status == "SUCCESS"

    def members() -> list[Untyped]:
        request = evs.ListSnapshotsDetailsRequest(snapshot_group_id=group_id)
        found: list[Untyped] = client.list_snapshots_details(request).snapshots
        return found

    assert {m.volume_id for m in members()} == set(PAIR)
    assert {(m.status, m.snapshot_group_id) for m in members()} == {("available", group_id)}
    (listed,) = client.list_snapshot_group(
        evs.ListSnapshotGroupRequest(tag_key="k", limit=10, offset=0)
    ).snapshot_groups
    shown = client.show_snapshot_group(evs.ShowSnapshotGroupRequest(group_id)).snapshot_group
    for group in (listed, shown):
        assert (group.id, group.name, group.status) == (group_id, "db", "available")
        assert group.tags == {"k": "v"}
    assert client.count_snapshots_group(evs.CountSnapshotsGroupRequest()).count == 1

    change = evs.UpdateSnapshotGroupResponseBody(description="both disks")
    body = evs.UpdateSnapshotGroupRequestBody(change)
    asked = evs.UpdateSnapshotGroupRequest(group_id, body)
    changed = client.update_snapshot_group(asked).snapshot_group
    assert (changed.name, changed.description) == ("db", "both disks")
    body = evs.BatchCreateResourceTagsRequestBody([evs.CreateResourceTag("more", "x")])
    client.batch_create_snapshot_group_tag(evs.BatchCreateSnapshotGroupTagRequest(group_id, body))
    body = evs.BatchDeleteResourceTagsRequestBody([evs.DeleteResourceTag("k")])
    client.batch_delete_snapshot_group_tag(evs.BatchDeleteSnapshotGroupTagRequest(group_id, body))
    tags = client.list_snapshot_group_tags(evs.ListSnapshotGroupTagsRequest()).tags
    assert [(t.key, t.value) for t in tags] == [("more", ["x"])]

    client.delete_snapshot_group(evs.DeleteSnapshotGroupRequest(group_id))
    assert members() == []
    with pytest.raises(sdk.errors.ClientRequestException) as caught:
        client.show_snapshot_group(evs.ShowSnapshotGroupRequest(group_id))
    assert caught.value.status_code == 404


def test_a_refusal_has_the_code_that_the_client_reads(
    evs: Untyped, client: Untyped, sdk: Sdk
) -> None:
    wish = evs.CreateStandardSnapshot(volume_id=SAS, instant_access=True)
    asked = evs.CreateStandardSnapshotRequest(evs.CreateStandardSnapshotRequestBody(wish))
    with pytest.raises(sdk.errors.ClientRequestException) as caught:
        client.create_standard_snapshot(asked)
    assert (caught.value.status_code, caught.value.error_code) == (400, "EVS.5400")
    assert "no instant access" in caught.value.error_msg


# --- our requests, beside the SDK's ---------------------------------------------------

STAMP = Stamp("0b9e7a52-8a6e-4a0d-9f7c-6f0b9f6f1e11", "default", "2026-11-27")
TAGS = {"team": "db", **STAMP.labels()}


def _wish(evs: Untyped, **fields: object) -> Untyped:
    wish = evs.CreateStandardSnapshot(volume_id=DISK, **fields)
    return evs.CreateStandardSnapshotRequest(evs.CreateStandardSnapshotRequestBody(wish))


def _tags(evs: Untyped, snapshot_id: str) -> Untyped:
    tag = evs.CreateResourceTag("evs_snap_consistency", "app")
    body = evs.BatchCreateResourceTagsRequestBody([tag])
    return evs.BatchCreateSnapshotTagsRequest(snapshot_id, body)


def _rollback(evs: Untyped, snapshot_id: str) -> Untyped:
    back = evs.RollbackSnapshotRequestBodyNew(volume_id=DISK)
    body = evs.RollbackSnapshotRequestBodyV5(back)
    return evs.RollbackStandardSnapshotRequest(snapshot_id, body)


NO_SET = "e3b4c0de-0000-4000-8000-000000000000"


def _group(evs: Untyped) -> Untyped:
    wish = evs.SnapshotGroup(
        volume_ids=PAIR, name="n", description="d", tags=TAGS, incremental=True,
        enterprise_project_id="6d8e",
    )  # fmt: skip
    return evs.CreateSnapshotGroupRequest(evs.CreateSnapshotGroupRequestBody(wish))


def _refused(act: Callable[[], object]) -> None:
    """Ask for what is not there: the request is what counts."""
    with pytest.raises(Exception, match=r"could not be found|not found|404"):
        act()


WISHES: dict[
    str,
    tuple[
        Callable[[EvsClient, str, str], object], Callable[[Untyped, Untyped, str, str], object]
    ],
] = {
    "create": (
        lambda c, _id, _job: c.create_snapshot(
            c.volume(DISK), name="n", description="d", properties={"team": "db"},
            stamp=STAMP, expire_after=29.5 * 86400,
        ),
        lambda evs, c, _id, _job: c.create_standard_snapshot(_wish(
            evs, name="n", description="d", tags=TAGS, retention_days=30,
            enterprise_project_id="6d8e",
        )),
    ),
    "create, with least": (
        lambda c, _id, _job: c.create_snapshot(c.volume(DISK)),
        lambda evs, c, _id, _job: c.create_standard_snapshot(_wish(
            evs, enterprise_project_id="6d8e"
        )),
    ),
    "list": (
        lambda c, _id, _job: list(c.snapshot_pages(volume_id=DISK, status="available")),
        lambda evs, c, _id, _job: c.list_snapshots_details(evs.ListSnapshotsDetailsRequest(
            volume_id=DISK, status="available", limit="1000"
        )),
    ),
    "show": (
        lambda c, id_, _job: c.snapshot(id_),
        lambda evs, c, id_, _job: c.show_standard_snapshot(evs.ShowStandardSnapshotRequest(id_)),
    ),
    "label": (
        lambda c, id_, _job: c.label_snapshot(id_, {"evs_snap_consistency": "app"}),
        lambda evs, c, id_, _job: c.batch_create_snapshot_tags(_tags(evs, id_)),
    ),
    "roll back": (
        lambda c, id_, _job: c.service.roll_back(DISK, snapshot_id=id_),
        lambda evs, c, id_, _job: c.rollback_standard_snapshot(_rollback(evs, id_)),
    ),
    "job": (
        lambda c, _id, job: c.service.job(job),
        lambda evs, c, _id, job: c.show_job(evs.ShowJobRequest(job)),
    ),
    "delete": (
        lambda c, id_, _job: c.delete_snapshot(id_),
        lambda evs, c, id_, _job: c.delete_standard_snapshot(
            evs.DeleteStandardSnapshotRequest(id_)
        ),
    ),
    "create a set": (
        lambda c, _id, _job: c.create_set(
            [c.volume(disk) for disk in PAIR], name="n", description="d",
            properties={"team": "db"}, stamp=STAMP,
        ),
        lambda evs, c, _id, _job: c.create_snapshot_group(_group(evs)),
    ),
    "list sets": (
        lambda c, _id, _job: c.snapshot_sets(),
        lambda evs, c, _id, _job: c.list_snapshot_group(
            evs.ListSnapshotGroupRequest(limit="1000", offset="0")
        ),
    ),
    "members of a set": (
        lambda c, _id, _job: c.set_members(NO_SET),
        lambda evs, c, _id, _job: c.list_snapshots_details(evs.ListSnapshotsDetailsRequest(
            snapshot_group_id=NO_SET, limit="1000"
        )),
    ),
    "delete a set": (
        lambda c, _id, _job: _refused(lambda: c.delete_set(NO_SET)),
        lambda evs, c, _id, _job: _refused(
            lambda: c.delete_snapshot_group(evs.DeleteSnapshotGroupRequest(NO_SET))
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("wish", WISHES)
def test_our_requests_are_the_sdks_field_by_field(
    wish: str, served: Served, evs: Untyped, client: Untyped
) -> None:
    environ = {
        "OS_ACCESS_KEY": KEYS.access_key,
        "OS_SECRET_KEY": KEYS.secret_key,
        "OS_PROJECT_ID": ACCOUNT.project_id,
        "OS_REGION_NAME": STANDARD_REGION,
        "OS_VOLUME_ENDPOINT_OVERRIDE": served.second_url,
        "EVS_SNAP_KIND": "standard",
        "EVS_SNAP_ENTERPRISE_PROJECT_ID": "6d8e",
    }
    ours, theirs = WISHES[wish]
    told = []
    with connect(settings=load_settings(environ), keep_token=False) as mine:
        acts: tuple[Callable[[str, str], object], ...] = (
            partial(ours, mine),
            partial(theirs, evs, client),
        )
        for act in acts:
            made = client.create_standard_snapshot(_wish(evs))
            served.asked.clear()
            act(made.snapshot_id, made.job_id)
            # Besides, a disk is read before, and a row after what tells no row.
            besides = [a for a in served.asked if a.method != "GET"] or served.asked
            told.append(besides)
    assert told[0] == told[1]
    assert len(told[0]) == 1
