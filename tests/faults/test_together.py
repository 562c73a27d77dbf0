"""Several disks at one instant: one set or none, kept and deleted as one, on any network.

The service is the pretend region of standard snapshots; what it leaves open is answered in one
way or another.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from evs_snap.plan.selection import are_set_called
from evs_snap.services.interface import (
    PINNED_POLICY,
    STAMP_MEMBERS,
    STAMP_PINNED,
    STAMP_POLICY,
    Stamp,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock, Result
    from tests.faults.conftest import Region

    from evs_snap.services.interface import Snapshot

POST = "POST snapshot-groups"
OTHER_ZONE = "other-zone"
PAIR = "create d1 d2 --together"


@pytest.fixture(name="disks")
def _disks(there: Region) -> tuple[str, str]:
    return there.disk("d1"), there.disk("d2")


def sets(there: Region) -> dict[str, list[Snapshot]]:
    """Return the members of each set that is left, by its ID."""
    client = there.service.client
    return {row.id: client.set_members(row.id) for row in client.snapshot_sets()}


def only_set(there: Region) -> list[Snapshot]:
    (members,) = sets(there).values()
    return members


def night(there: Region, words: str = "", *, exit_code: int = 0) -> Result:
    done = there.run(f"rotate d1 d2 --together {words} -f json", exit_code=exit_code)
    there.service.fake.advance(86400)
    return done


# --- made -----------------------------------------------------------------------------


def test_one_request_makes_them_all_and_each_is_stamped(
    there: Region, disks: tuple[str, str]
) -> None:
    made = there.run(f"{PAIR} --property team=db --once-per day -f json").json
    members = only_set(there)
    assert {row.volume_id for row in members} == set(disks)
    assert there.service.count(POST) == 1
    assert there.service.count("POST snapshots") == 0
    for row in members:
        assert row.stamp
        assert (row.policy, row.stamp.bucket, row.stamp.members) == ("manual", "2026-11-23", 2)
        assert row.labels["team"] == "db"
    assert {item["snapshot"]["id"] for item in made["items"]} == {row.id for row in members}
    assert made["spread_ms"] is None, "there is nothing between them to be measured"


@pytest.mark.parametrize("how", ["drop", "half", "stall", 502, "garbage"])
def test_a_lost_answer_is_settled_by_the_tag_of_the_set(
    there: Region, disks: tuple[str, str], how: str | int
) -> None:
    there.service.mishap(POST, how)
    there.run(PAIR)
    assert {row.volume_id for row in only_set(there)} == set(disks)
    assert there.service.count(POST) == 1


@pytest.mark.usefixtures("disks")
def test_a_request_that_never_arrived_is_sent_again_and_one_carried_out_late_leaves_one_set(
    there: Region,
) -> None:
    there.service.mishap(POST, "drop", acts=False)
    there.run(PAIR)
    assert there.service.count(POST) == 2
    there.service.mishap(POST, "drop", acts=45.0)
    there.run(f"{PAIR} --policy late")
    there.service.calm()
    late = [rows for rows in sets(there).values() if rows[0].policy == "late"]
    assert len(late) == 1
    assert len(sets(there)) == 2, "the other one was made by the first run"


@pytest.mark.usefixtures("disks")
def test_a_busy_member_is_waited_for_and_any_other_refusal_is_not(
    there: Region, fake: FakeClock
) -> None:
    there.turn(busy=2)
    there.run(PAIR)
    assert there.service.count(POST) == 3
    assert len(only_set(there)) == 2
    body = b'{"error": {"code": "EVS.5400", "message": "made up"}}'
    there.service.mishap(POST, 400, acts=False, body=body)
    refused = there.run(PAIR, exit_code=1)
    assert "made up" in refused.stderr
    assert there.service.count(POST) == 4
    there.turn(busy=1_000)
    before = fake.moment
    told = there.run(f"{PAIR} --timeout 1m", exit_code=7).stderr
    assert "nothing was made" in told
    assert (fake.moment - before).total_seconds() < 70


def test_members_that_appear_late_are_awaited_and_stamped(
    there: Region, disks: tuple[str, str]
) -> None:
    there.turn(late_members=True)
    there.run(PAIR)
    assert {(row.volume_id, row.policy) for row in only_set(there)} == {
        (disk, "manual") for disk in disks
    }


@pytest.mark.parametrize(
    ("words", "exit_code", "why"),
    [
        ("create data-01 other-zone --together", 2, "a set is of one zone"),
        ("create --match 'many-*' --together", 2, "65 disks are selected, and a set has at most"),
        ("create d1 d2 --together --expire-after 30d", 2, "contradict"),
        ("--kind legacy create d1 d2 --together", 2, "--kind standard"),
        ("create d1 full --together --limit 3", 6, "disk full: the disk holds 3 of 3"),
    ],
)
def test_what_cannot_be_a_set_is_refused_whole_before_anything_is_sent(
    there: Region, words: str, exit_code: int, why: str
) -> None:
    there.disk("d1"), there.disk("d2"), there.full_disk("full", 3)
    if "many" in words:
        for number in range(65):
            there.disk(f"many-{number}")
    before = there.service.count("POST (snapshot|volume).*")
    refused = there.run(words, exit_code=exit_code)
    assert why in " ".join(refused.stderr.split())
    assert there.service.count("POST (snapshot|volume).*") == before
    assert sets(there) == {}


def test_a_set_with_a_member_in_error_failed_as_a_whole(there: Region) -> None:
    good, bad = there.disk("d1"), there.disk("fail-2")
    done = there.run("create d1 fail-2 --together -f json", exit_code=1).json
    assert [item["action"] for item in done["items"]] == ["failed", "failed"]
    told = {item["volume"]["id"]: item["error"]["message"] for item in done["items"]}
    assert "the set is not whole" in told[good]
    assert "ended in status 'error'" in told[bad]


@pytest.mark.usefixtures("disks")
def test_of_one_period_one_whole_set_is_made_and_taken_again(there: Region) -> None:
    there.run(f"{PAIR} --once-per day")
    again = there.run(f"{PAIR} --once-per day -f json").json
    assert [item["action"] for item in again["items"]] == ["reused", "reused"]
    assert there.service.count(POST) == 1
    there.disk("d3")
    there.run("create d1 d2 d3 --together --once-per day")
    assert there.service.count(POST) == 2, "a set of fewer disks is not this one"


@pytest.mark.parametrize("singly", ["d1", "d1 d2"])
def test_snapshots_of_the_period_that_were_made_singly_are_no_set(
    there: Region, disks: tuple[str, str], singly: str
) -> None:
    """found: `--together` took them for its set, hours apart, and ended 0."""
    there.run(f"create {singly} --once-per day")
    done = there.run(f"{PAIR} --once-per day -f json").json
    assert [item["action"] for item in done["items"]] == ["created", "created"]
    assert {row.volume_id for row in only_set(there)} == set(disks)


def test_of_two_machines_the_later_one_takes_the_set_of_the_earlier(
    there: Region, disks: tuple[str, str]
) -> None:
    def other() -> None:
        volumes = [there.service.client.volume(disk) for disk in disks]
        stamp = Stamp("theirs", "manual", "2026-11-23", members=2)
        made = there.service.client.create_set(volumes, name="theirs", stamp=stamp).set
        for row in there.service.client.set_members(made.id):
            there.service.client.label_snapshot(row.id, stamp.labels())
        there.service.fake.advance(30)

    there.service.once(POST, other)
    done = there.run(f"{PAIR} --once-per day -f json").json
    (left,) = sets(there).values()
    assert {row.stamp.key for row in left if row.stamp} == {"theirs"}
    assert {item["action"] for item in done["items"]} == {"reused"}


@pytest.mark.usefixtures("disks")
def test_a_set_whose_run_was_killed_before_it_was_stamped_is_finished_by_the_next(
    there: Region,
) -> None:
    there.service.mishap("POST snapshots/ID/tags/create", 403, acts=False, times=9)
    there.run(f"{PAIR} --once-per day", exit_code=4)
    assert {row.policy for row in only_set(there)} == {None}
    there.service.calm()
    done = there.run(f"{PAIR} --once-per day -f json").json
    assert {item["action"] for item in done["items"]} == {"reused"}
    assert {row.policy for row in only_set(there)} == {"manual"}


# --- kept and deleted -----------------------------------------------------------------


@pytest.mark.usefixtures("disks")
def test_the_rules_judge_a_set_as_one_and_delete_it_as_one(there: Region) -> None:
    for number in range(5):
        done = night(there, "--keep-last 2").json
        assert len(sets(there)) == min(number + 1, 2)
        assert done["summary"] == {"created": 2} | ({"kept": 2} if number else {}) | (
            {"deleted": 2} if number > 1 else {}
        )
    assert there.service.count("DELETE snapshots/ID") == 0
    assert there.service.count("DELETE snapshot-groups/ID") == 3


def test_a_set_stays_as_long_as_one_of_its_disks_needs_it(
    there: Region, disks: tuple[str, str]
) -> None:
    night(there, "--keep-last 1")
    first = only_set(there)
    pinned = next(row.id for row in first if row.volume_id == disks[0])
    there.run(f"pin {pinned}")
    night(there, "--keep-last 1")
    kept = night(there, "--keep-last 1").json
    assert {row.id for row in first} <= {r.id for rows in sets(there).values() for r in rows}
    why = "kept with its set: disk d1, its snapshot is pinned"
    assert any(why in item["reasons"] for item in kept["items"])
    there.run(f"unpin {pinned}")
    night(there, "--keep-last 1")
    assert len(sets(there)) == 1


def test_a_run_over_one_of_the_disks_leaves_the_sets_alone(
    there: Region, disks: tuple[str, str]
) -> None:
    night(there, "--keep-last 3"), night(there, "--keep-last 3")
    done = there.run("prune d1 --keep-last 1 -y -f json").json
    assert "deleted" not in done["summary"]
    assert len(sets(there)) == 2
    there.run("prune d1 d2 --keep-last 1 -y")
    assert {row.volume_id for row in only_set(there)} == set(disks)


def test_a_broken_set_counts_as_failed_and_goes_first_but_never_the_newest_of_a_disk(
    there: Region, disks: tuple[str, str]
) -> None:
    night(there, "--keep-last 2")
    (old,) = sets(there)
    night(there, "--keep-last 2")
    lost = next(row for row in sets(there)[old] if row.volume_id == disks[1])
    there.service.client.delete_snapshot(lost.id)
    there.service.fake.advance(60)
    told = night(there, "--keep-last 3")
    assert "is not whole" in told.stderr
    assert old not in sets(there)
    newest = max(sets(there).values(), key=lambda rows: rows[0].age_key)
    there.service.client.delete_snapshot(next(r.id for r in newest if r.volume_id == disks[0]))
    there.service.fake.advance(60)
    there.run("prune d1 d2 --keep-last 3 -y")
    assert len(sets(there)) == 2, "the newest usable one of d2 is in the broken set"


def test_a_person_deletes_a_set_by_naming_all_of_it(there: Region) -> None:
    there.disk("d1"), there.disk("d2")
    there.run(PAIR)
    first, second = (row.id for row in only_set(there))
    refused = there.run(f"delete {first} -y", exit_code=2).stderr
    assert f"evs-snap delete {second} {first}" in refused or f"{first} {second}" in refused
    assert len(only_set(there)) == 2
    there.run(f"delete {first} {second} -y")
    assert sets(there) == {}
    assert there.service.count("DELETE snapshots/ID") == 0


def without(set_id: str | None, *disks: str) -> Callable[[httpx.Response], httpx.Response]:
    """Return the list of a set's members without those of these disks; other lists as they are."""

    def how(answer: httpx.Response) -> httpx.Response:
        found = answer.json()
        if {row["snapshot_group_id"] for row in found["snapshots"]} != {set_id}:
            return answer
        rows = [row for row in found["snapshots"] if row["volume_id"] not in disks]
        return httpx.Response(200, json=found | {"snapshots": rows})

    return how


@pytest.mark.parametrize("left_out", [1, 2])
def test_no_set_goes_whose_list_leaves_out_a_member(
    there: Region, disks: tuple[str, str], left_out: int
) -> None:
    """found: a member that was pinned meanwhile was not listed, and went with its set, untold."""
    for _ in range(2):
        night(there, "--keep-last 9")
    oldest = there.service.left(disks[1])[0]
    pinned = {STAMP_POLICY: PINNED_POLICY, STAMP_PINNED: "default"}
    there.service.once(POST, lambda: there.service.client.label_snapshot(oldest.id, pinned))
    how = without(oldest.set_id, *disks[-left_out:])
    there.service.mishap("GET snapshots/detail", how, times=99)
    told = night(there, "--keep-last 2", exit_code=3).stderr
    assert "no longer what it was" in " ".join(told.split())
    there.service.calm()
    assert len(sets(there)) == 3


def test_a_person_who_names_one_of_a_set_is_refused_though_a_list_shows_no_other(
    there: Region, disks: tuple[str, str]
) -> None:
    """found: `delete ONE` deleted the other disk's snapshot too, which nobody had named."""
    there.run(PAIR)
    there.disk("d3")
    there.run("create d3")
    one = there.service.left(disks[0])[0]
    there.service.mishap("GET snapshots/detail", without(one.set_id, disks[1]), times=99)
    assert "one of the 2 snapshots" in there.run(f"delete {one.id} -y", exit_code=2).stderr
    there.service.calm()
    assert len(only_set(there)) == 2


@pytest.mark.parametrize("how", ["drop", 502, 404, 403])
def test_a_deletion_of_a_set_on_a_bad_network_is_settled_by_looking(
    there: Region, disks: tuple[str, str], how: str | int
) -> None:
    night(there, "--keep-last 1")
    acts = how != 403
    there.service.mishap("DELETE snapshot-groups/ID", how, acts=acts, times=1 if acts else 9)
    done = night(there, "--keep-last 1", exit_code=0 if acts else 3)
    assert len(sets(there)) == (1 if acts else 2)
    assert json.loads(done.stdout)["summary"].get("failed", 0) == (0 if acts else 2)
    for disk in disks:
        assert there.service.left(disk), "each disk has its newest"


def test_a_full_disk_is_freed_by_a_whole_set_that_the_rules_have_given_up(
    there: Region, disks: tuple[str, str]
) -> None:
    for _ in range(3):
        night(there, "--keep-last 3")
    there.run("rotate d1 d2 --together --keep-last 2 --limit 3")
    assert len(sets(there)) == 2
    for disk in disks:
        assert len(there.service.left(disk)) == 2


def test_a_set_is_listed_and_told_with_its_members(there: Region) -> None:
    there.disk("d1"), there.disk("d2")
    there.run(PAIR)
    listed = there.run("snapshots --owned --match 'd*' -c Set -f value").stdout.split()
    assert set(listed) == set(sets(there))
    assert only_set(there)[0].labels[STAMP_MEMBERS] == "2"


def test_check_counts_the_members_of_whole_sets_alone(
    there: Region, disks: tuple[str, str]
) -> None:
    there.run(f"{PAIR} --policy nightly")
    assert "OK" in there.run("check d1 --policy nightly --max-age 1d").stdout
    lost = next(row for row in only_set(there) if row.volume_id == disks[1])
    there.service.client.delete_snapshot(lost.id)
    there.service.fake.advance(60)
    there.run("check d1 --policy nightly --max-age 1d", exit_code=2)


def test_it_is_told_which_disk_keeps_a_set_and_how_to_delete_it(
    there: Region, disks: tuple[str, str]
) -> None:
    """found: the sets of a disk no longer in the run stayed for ever, and nothing said why."""
    night(there, "--keep-last 1"), night(there, "--keep-last 1")
    done = there.run("prune d1 --keep-last 1 -y -f json").json
    assert sets(there), "one whole set"
    night(there, "--keep-last 2")
    done = there.run("prune d1 --keep-last 1 -y -f json").json
    reasons = [item["reasons"][-1] for item in done["items"]]
    assert f"kept with its set: this run does not cover disk {disks[1]}" in reasons
    refused = there.run(f"delete {done['items'][-1]['snapshot']['id']} -y", exit_code=2).stderr
    assert "Name them all: `evs-snap delete " in " ".join(refused.split())


@pytest.mark.usefixtures("disks")
def test_a_dry_run_tells_of_the_set_and_its_name(there: Region) -> None:
    """found: it showed a name for each disk, and nothing of a set."""
    plan = there.run(f"{PAIR} --dry-run -f json").json["items"]
    there.run(PAIR)
    assert {item["name"] for item in plan} == {row.name for row in only_set(there)}
    assert all("in one set of 2" in item["reasons"] for item in plan)
    refused = there.run("create d1 d2 --together --name '{volume}-{id}'", exit_code=2)
    assert "a set has one name" in refused.stderr


def test_the_name_that_a_set_has_means_all_of_it(there: Region, disks: tuple[str, str]) -> None:
    """found: the name was ambiguous, and of two sets the disks were told by their IDs alone."""
    there.run(f"{PAIR} --name before")
    in_set = {row.id for row in only_set(there)}
    assert set(there.run("wait before -f value -c ID").stdout.split()) == in_set
    shown = there.run("show before -f json").json
    assert {one["id"] for one in shown} == in_set
    (set_id,) = sets(there)
    assert set_id in there.run("show d1").stdout
    assert there.run("restore before --as new", exit_code=5).stderr.count("  of disk d") == len(
        disks
    )
    there.run(f"{PAIR} --name before")
    assert "of disk d1" in there.run("delete before -y", exit_code=5).stderr
    there.run(f"delete {' '.join(in_set)} -y")
    there.run("delete before -y")
    assert sets(there) == {}


def test_a_beginning_of_ids_is_no_name_of_a_set(there: Region, disks: tuple[str, str]) -> None:
    """found: one that all members' IDs had in common would have meant the whole set."""
    there.run(f"{PAIR} --name {disks[0][:8]}")
    (one, _) = only_set(there)
    alike = [
        row.model_copy(update={"id": f"aaaaaaaa-{n}"}) for n, row in enumerate(only_set(there))
    ]
    assert are_set_called(alike, str(one.name))
    assert not are_set_called(alike, "aaaaaaaa")
