"""What a command costs in requests: nothing is asked twice, and nothing once for each disk."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from tests.conftest import REAL_CLOUD

from evs_snap import Keep, create_snapshots, delete_snapshots, prune_snapshots
from evs_snap.health.doctor import examine
from evs_snap.plan.selection import Selection
from evs_snap.runs.gather import gather, usages
from evs_snap.settings import load_settings, sandbox_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Cloud

    Sent = Callable[[Callable[[], object]], Counter[str]]

UUID = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)[0-9a-f]{32}")
LISTS = {"GET volumes/detail": 1, "GET snapshots/detail": 1}
ALL = Selection(everything=True)


@pytest.fixture(name="sent")
def _sent(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Tell how often each address was asked while something ran."""

    def sent(do: Callable[[], object]) -> Counter[str]:
        # Locks of its own: a run that ended in the same tick of the file system's clock would
        # have this one read anew.
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / uuid4().hex))
        del cloud.told[:]
        do()
        told = "\n".join(cloud.told)
        asked = re.findall(r"^(\S+) \S*?/v3/[0-9a-f]{32}/([^? ]+)", told, re.MULTILINE)
        return Counter(f"{method} {UUID.sub('ID', path)}" for method, path in asked)

    return sent


@pytest.fixture(name="disks")
def _disks(cloud: Cloud) -> Iterator[list[str]]:
    """Make three disks; afterwards wait until their snapshots can be deleted."""
    disks = [cloud.volume(f"requests-{number}") for number in range(3)]
    yield disks
    for id_ in disks:
        cloud.until(
            lambda id_=id_: all(s.is_usable for s in cloud.client.snapshots(volume_id=id_))  # type: ignore[misc]
        )


def test_lists_and_checks_cost_the_two_lists(cloud: Cloud, sent: Sent, disks: list[str]) -> None:
    assert disks
    assert sent(lambda: usages(cloud.client, ALL, limit=None)) == LISTS
    assert sent(lambda: gather(cloud.client, ALL)) == LISTS
    settings = sandbox_settings() if cloud.name == "sandbox" else load_settings(REAL_CLOUD)
    examined = sent(
        lambda: list(examine(cloud.client, ALL, settings=settings, limit=7, networked=False)),
    )
    assert examined == {**LISTS, "GET os-quota-sets/ID": 1}


def test_a_snapshot_without_waiting_costs_three(cloud: Cloud, sent: Sent, disks: list[str]) -> None:
    by_name = sent(lambda: create_snapshots(cloud.client, "requests-0", wait=False))
    assert by_name == {**LISTS, "POST snapshots": 1}
    by_id = sent(lambda: create_snapshots(cloud.client, disks[1], wait=False))
    assert by_id == {"GET volumes/ID": 1, "GET snapshots/detail": 1, "POST snapshots": 1}


def test_of_many_disks_each_costs_its_own_post_alone(
    cloud: Cloud, sent: Sent, disks: list[str]
) -> None:
    """found: with --once-per each disk cost a list of its snapshots."""
    taking = sent(lambda: create_snapshots(cloud.client, *disks, once_per="week", wait=False))
    assert taking == {**LISTS, "GET snapshots/detail": 2, "POST snapshots": 3}
    again = sent(lambda: create_snapshots(cloud.client, *disks, once_per="week"))
    assert not {one for one in again if one.startswith("POST")}


def test_waiting_for_many_costs_a_list_a_look(cloud: Cloud, sent: Sent, disks: list[str]) -> None:
    looks = sent(lambda: create_snapshots(cloud.client, *disks))
    assert set(looks) == {*LISTS, "POST snapshots"}
    assert looks["POST snapshots"] == 3


def test_pruning_asks_again_only_where_it_deletes(
    cloud: Cloud, sent: Sent, disks: list[str]
) -> None:
    keep = Keep(last=1)
    create_snapshots(cloud.client, *disks, policy="default")
    nothing = sent(lambda: prune_snapshots(cloud.client, *disks, keep=keep))
    assert nothing == LISTS
    cloud.clock.sleep(1.1)  # one must be the newest
    create_snapshots(cloud.client, disks[0], policy="default")
    one = sent(lambda: prune_snapshots(cloud.client, *disks, keep=keep))
    assert one["DELETE snapshots/ID"] == 1
    # All, and that disk alone before and after the deletion.
    assert one["GET snapshots/detail"] == 3
    assert "POST snapshots" not in one


def test_deleting_one_reads_it_before_and_after(cloud: Cloud, sent: Sent, disks: list[str]) -> None:
    record = create_snapshots(cloud.client, disks[0])
    (snapshot,) = (item.snapshot for item in record.items)
    assert snapshot is not None
    deleting = sent(lambda: delete_snapshots(cloud.client, snapshot.id))
    looks = deleting.pop("GET snapshots/ID")
    assert deleting == {
        "GET volumes/ID": 1, "DELETE snapshots/ID": 1, "GET snapshots/detail": 1
    }  # fmt: skip
    assert looks >= 2  # found, and gone: the list agrees
