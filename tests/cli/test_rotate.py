"""`evs-snap rotate`: create, see it usable, and only then prune; on the sandbox."""

from __future__ import annotations

import os
import re
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

DAY = 86400


def spoil(snapshot_id: str, *, status: str = "error") -> None:
    """Let a snapshot of the sandbox have ended in this status."""
    path = state_folder(os.environ) / "sandbox.db"
    db = sqlite3.connect(path)
    with db:
        db.execute(
            "UPDATE snapshots SET status = ?, next_status = NULL WHERE id = ?",
            (status, snapshot_id),
        )
    db.close()


def nights(run: Run, fake: FakeClock, count: int, options: str = "") -> list[str]:
    """Create one snapshot of data-01 a night; return their IDs, and be at the next night."""
    ids = []
    for _ in range(count):
        made = run(f"--sandbox create --policy default --volume data-01 {options} -f value -c ID")
        ids.append(made.stdout.strip())
        fake.advance(DAY)
    return ids


def held(pretend: Pretend, name: str = "data-01") -> set[str]:
    return {s.id for s in pretend.client.snapshots(volume_id=pretend.named(name))}


def by_action(record: dict[str, Any], action: str) -> list[str]:
    return [i["snapshot"]["id"] for i in record["items"] if i["action"] == action]


def writes(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("GET")]


def test_a_rotation_makes_one_and_deletes_what_no_rule_keeps(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    old = nights(run, fake, 3)
    record = run("--sandbox rotate --volume data-01 --keep-last 2 -f json").json
    (made,) = by_action(record, "created")
    assert by_action(record, "deleted") == old[:2]
    assert by_action(record, "kept") == [old[2]]
    assert held(pretend) == {made, old[2]}
    assert record["summary"] == {"created": 1, "deleted": 2, "kept": 1}
    assert (record["command"], record["exit_code"]) == ("rotate", 0)
    reasons = {i["snapshot"]["id"]: i["reasons"] for i in record["items"]}
    assert reasons[made] == ["slot 4 of 7", "kept as last 1"]
    assert reasons[old[2]] == ["last 2"]
    assert reasons[old[0]] == ["kept by no rule"]


def test_nothing_is_deleted_before_the_new_one_is_seen_available(
    run: Run, fake: FakeClock, requests: Callable[[str], list[str]]
) -> None:
    (old,) = nights(run, fake, 1)
    lines = requests(run("-v --sandbox rotate --volume data-01 --keep-last 1").stderr)
    posted = lines.index("POST snapshots")
    deleted = lines.index(f"DELETE snapshots/{old}")
    assert sum(line.startswith("GET snapshots/") for line in lines[posted:deleted]) >= 2


def test_the_plain_form_has_a_line_for_each_snapshot(run: Run, fake: FakeClock) -> None:
    old = nights(run, fake, 2)
    result = run("--sandbox rotate --volume data-01 --keep-last 2")
    header, *rows = result.stdout.splitlines()
    assert re.split("  +", header) == [
        "ID", "Name", "Volume", "Volume ID", "Action", "Status", "Reason",
    ]  # fmt: skip
    assert [row.split()[4] for row in rows] == ["created", "deleted", "kept"]
    assert [row.split()[0] for row in rows[1:]] == old


def test_a_dry_run_changes_nothing_and_says_what_the_run_then_does(
    run: Run, pretend: Pretend, fake: FakeClock, requests: Callable[[str], list[str]]
) -> None:
    old = nights(run, fake, 4)
    command = "--sandbox rotate --volume data-01 --keep-last 2 -f json"
    before = held(pretend)
    dry = run(f"-v {command} --dry-run")
    assert writes(requests(dry.stderr)) == []
    assert held(pretend) == before
    assert dry.json["dry_run"] is True
    doomed = by_action(dry.json, "would-delete")
    (creation,) = [i for i in dry.json["items"] if i["action"] == "would-create"]

    real = run(command).json

    assert doomed == by_action(real, "deleted") == old[:3]
    assert by_action(dry.json, "kept") == by_action(real, "kept")
    (made,) = [i for i in real["items"] if i["action"] == "created"]
    assert creation["reasons"] == made["reasons"]
    assert creation["name"] == made["name"] == made["snapshot"]["name"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("", "--keep-last"),
        ("--keep-last 0", "--keep-last"),
        ("--keep-last 2 --no-wait", "rotate must wait"),
        ("--keep-last -1", "--keep-last"),
        ("--keep-within 5", "no duration"),
        ("--keep-last 7", "a disk holds 7"),
        ("--keep-last 8 --on-limit replace", "can hold 8"),
        ("--keep-last 4 --limit 4", "a disk holds 4"),
        ("--keep-last 1 --once-per year", "--once-per"),
        ("--keep-last 1 --policy ' '", "--policy"),
    ],
)
def test_what_cannot_work_is_exit_two_before_anything_is_sent(
    run: Run, requests: Callable[[str], list[str]], options: str, told: str
) -> None:
    refused = run(f"-v --sandbox rotate --volume data-01 {options}", exit_code=2)
    assert told in refused.stderr
    assert requests(refused.stderr) == []


def test_seven_daily_and_four_weekly_are_refused_with_the_sum(run: Run) -> None:
    command = "--sandbox rotate --volume data-01 --keep-daily 7 --keep-weekly 4"
    refused = run(f"{command} -f json", exit_code=2)
    for part in ("7 daily", "4 weekly", "hold 10", "holds 7"):
        assert part in refused.stderr
        assert part in refused.json["error"]["message"]
    assert run(f"{command} --limit 12").exit_code == 0


def test_without_a_selection_rotate_asks_for_one(run: Run) -> None:
    assert "--volume" in run("--sandbox rotate --keep-last 1", exit_code=2).stderr
    run("--sandbox rotate --keep-last 1 --exclude x", exit_code=2)
    run("--sandbox rotate --keep-last 1 --volume nobody", exit_code=5)


def test_once_per_day_says_reused_and_changes_nothing(
    run: Run, pretend: Pretend, fake: FakeClock, requests: Callable[[str], list[str]]
) -> None:
    command = "-v --sandbox rotate --volume data-01 --once-per day --keep-daily 3 -f json"
    (made,) = by_action(run(command).json, "created")
    fake.advance(21 * 3600)  # 23:17
    again = run(command)
    assert by_action(again.json, "reused") == [made]
    assert again.json["items"][0]["reasons"][0] == "already made for 2026-11-23"
    assert writes(requests(again.stderr)) == []
    assert held(pretend) == {made}
    fake.advance(3600)  # 00:17 of the next day
    assert len(by_action(run(command).json, "created")) == 1


@pytest.mark.parametrize(("period", "seconds"), [("hour", 43 * 60), ("week", 7 * DAY - 8220)])
def test_once_per_hour_and_week_end_on_the_edge(
    run: Run, fake: FakeClock, period: str, seconds: int
) -> None:
    """It is Monday, 02:17 UTC."""
    command = f"--sandbox rotate --volume data-01 --once-per {period} --keep-last 3 -f json"
    run(command)
    edge = fake.moment.replace(minute=17, second=0, microsecond=0)
    fake.advance(seconds - 1 - (fake.moment - edge).total_seconds())
    assert run(command).json["summary"].get("reused") == 1
    fake.advance(1)
    assert run(command).json["summary"].get("created") == 1


def test_one_in_error_goes_before_any_other(run: Run, pretend: Pretend, fake: FakeClock) -> None:
    old = nights(run, fake, 3)
    spoil(old[2])
    record = run("--sandbox rotate --volume data-01 --keep-last 2 -f json").json
    assert by_action(record, "deleted") == [old[2], old[0]]
    assert old[1] in held(pretend)


def test_a_snapshot_that_ends_in_error_deletes_nothing(
    run: Run, pretend: Pretend, fake: FakeClock, requests: Callable[[str], list[str]]
) -> None:
    old = nights(run, fake, 3)
    path = state_folder(os.environ) / "sandbox.db"
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE volumes SET name = 'will-fail' WHERE name = 'data-01'")
    db.close()
    command = "-v --sandbox rotate --volume will-fail --name 's-{utc}' --keep-last 1 -f json"
    failed = run(command, exit_code=1)
    assert failed.json["summary"] == {"failed": 1, "kept": 3}
    assert not [line for line in requests(failed.stderr) if line.startswith("DELETE")]
    spared = [i for i in failed.json["items"] if "kept by no rule" in i["reasons"]]
    assert [i["snapshot"]["id"] for i in spared] == old
    assert all("nothing is deleted after a failure" in i["reasons"][-1] for i in spared)
    assert set(old) < held(pretend, "will-fail")


def test_night_after_night_of_errors_the_usable_ones_stay(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    good = nights(run, fake, 2)
    path = state_folder(os.environ) / "sandbox.db"
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE volumes SET name = 'will-fail' WHERE name = 'data-01'")
    db.close()
    for _ in range(9):
        # Once full, one in error gives way first, and that much is done.
        full = len(held(pretend, "will-fail")) == 7
        code = 3 if full else 1
        run("--sandbox rotate --volume will-fail --name 's-{utc}' --keep-last 2", exit_code=code)
        fake.advance(DAY)
        assert set(good) <= held(pretend, "will-fail")
        assert len(held(pretend, "will-fail")) <= 7


def test_a_wait_that_is_too_short_deletes_nothing_and_is_seven(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    old = nights(run, fake, 2)
    late = run("--sandbox rotate --volume data-01 --keep-last 1 --timeout 1s -f json", exit_code=7)
    assert late.json["summary"] == {"failed": 1, "kept": 2}
    assert set(old) < held(pretend)


def test_others_are_neither_counted_nor_deleted(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    volume_id = pretend.named("data-01")
    foreign = {
        pretend.snapshot(volume_id, "data-01-20261123T000000Z"),
        pretend.snapshot(volume_id, "autobk_snapshot_1"),
        *nights(run, fake, 2, "--policy hourly"),
    }
    nights(run, fake, 2)
    for _ in range(3):
        record = run("--sandbox rotate --volume data-01 --keep-last 1 -f json").json
        assert record["summary"]["created"] == 1
        fake.advance(DAY)
    assert foreign < held(pretend)
    assert len(held(pretend)) == len(foreign) + 1


def test_a_disk_full_of_ours_is_rotated_by_what_the_rules_gave_up(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    old = nights(run, fake, 7)
    record = run("--sandbox rotate --volume data-01 --keep-last 3 -f json").json
    assert by_action(record, "deleted") == old[:5]
    first = record["items"][0]
    assert (first["action"], first["reasons"]) == (
        "deleted",
        ["to free a slot", "given up by the rules"],
    )
    assert len(held(pretend)) == 3


def test_a_full_disk_where_the_rules_give_up_nothing_is_six(run: Run, pretend: Pretend) -> None:
    """Of the seven of full-01 two are ours, and both are wanted."""
    before = held(pretend, "full-01")
    refused = run("--sandbox rotate --volume full-01 --keep-last 2 -f json", exit_code=6)
    assert refused.json["summary"] == {"refused": 1}
    assert all(id_ in refused.stderr for id_ in before)
    assert held(pretend, "full-01") == before


def test_with_on_limit_replace_the_oldest_unwanted_one_gives_way(
    run: Run, pretend: Pretend
) -> None:
    before = held(pretend, "full-01")
    command = "--sandbox rotate --volume full-01 --keep-last 2 --on-limit replace -f json"
    record = run(command).json
    (gone,) = by_action(record, "deleted")
    (made,) = by_action(record, "created")
    assert gone == "4d415380-669c-4a13-a621-fe399009184a"
    assert held(pretend, "full-01") == before - {gone} | {made}
    assert record["items"][0]["reasons"] == ["to free a slot", "oldest of policy default"]


def test_a_limit_lowered_below_what_is_held_is_reached_at_once(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    nights(run, fake, 7)
    run("--sandbox rotate --volume data-01 --keep-last 4 --limit 5")
    assert len(held(pretend)) == 4


def test_many_disks_are_rotated_each_by_itself(run: Run, pretend: Pretend) -> None:
    record = run("--sandbox rotate --all --keep-last 2 -f json", exit_code=3).json
    outcome = {i["volume"]["id"]: i["action"] for i in record["items"] if i["action"] != "deleted"
               and i["action"] != "kept"}  # fmt: skip
    assert len(outcome) == 10
    assert outcome[pretend.named("full-01")] == "refused"
    assert outcome[pretend.named("broken-01")] == "refused"
    assert sorted(outcome.values()) == ["created"] * 8 + ["refused"] * 2
    assert len(held(pretend, "data-02")) == 2


def test_rotate_needs_no_yes_as_the_rules_are_the_consent(run: Run, fake: FakeClock) -> None:
    nights(run, fake, 2)
    assert "-y" not in run("--sandbox rotate --volume data-01 --keep-last 1").stderr


def test_only_the_new_ones_id_can_be_asked_for(run: Run) -> None:
    line = "--sandbox rotate data-02 --keep-last 1"
    first = run(f"{line} -f value -c ID --only created").ids
    assert len(first) == 1
    result = run(f"{line} --only created --only deleted -f json").json
    assert len(result["items"]) == 2, "a document is complete"


def test_a_full_disk_takes_a_line_where_that_is_asked_for(run: Run) -> None:
    assert run("--sandbox create full-01 --brief", exit_code=6).stderr.splitlines()[1:] == [
        "error: full-01: the disk holds 7 of 7 snapshots; nothing was sent",
        "1 refused",
    ]
