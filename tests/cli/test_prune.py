"""`evs-snap prune`: what the rules give up of our own goes, and nothing is made."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

DAY = 86400


class Terminal(io.StringIO):
    """Somebody's answers, typed ahead."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(name="terminal")
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a function that puts a person with these answers in front of the command."""

    def sit(answers: str) -> None:
        monkeypatch.setattr("sys.stdin", Terminal(answers))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    return sit


def nights(run: Run, fake: FakeClock, count: int, options: str = "") -> list[str]:
    ids = []
    for _ in range(count):
        made = run(f"--sandbox create --policy default --volume data-01 {options} -f value -c ID")
        ids.append(made.stdout.strip())
        fake.advance(DAY)
    return ids


def held(pretend: Pretend) -> set[str]:
    return {s.id for s in pretend.client.snapshots(volume_id=pretend.named("data-01"))}


def by_action(record: dict[str, Any], action: str) -> list[str]:
    return [i["snapshot"]["id"] for i in record["items"] if i["action"] == action]


def test_what_no_rule_keeps_is_deleted(run: Run, pretend: Pretend, fake: FakeClock) -> None:
    old = nights(run, fake, 4)
    record = run("--sandbox prune --volume data-01 --keep-last 2 -y -f json").json
    assert by_action(record, "deleted") == old[:2]
    assert by_action(record, "kept") == [old[3], old[2]]
    assert record["summary"] == {"deleted": 2, "kept": 2}
    assert held(pretend) == set(old[2:])


def test_pruning_again_finds_nothing_to_do(
    run: Run, fake: FakeClock, requests: Callable[[str], list[str]]
) -> None:
    nights(run, fake, 3)
    command = "-v --sandbox prune --volume data-01 --keep-daily 2 -y -f json"
    run(command)
    again = run(command)
    assert again.json["summary"] == {"kept": 2}
    assert all(line.startswith("GET") for line in requests(again.stderr))


def test_a_dry_run_needs_no_yes_changes_nothing_and_says_what_the_run_does(
    run: Run, pretend: Pretend, fake: FakeClock, requests: Callable[[str], list[str]]
) -> None:
    old = nights(run, fake, 3)
    command = "-v --sandbox prune --volume data-01 --keep-last 1 -f json"
    dry = run(f"{command} --dry-run")
    assert all(line.startswith("GET") for line in requests(dry.stderr))
    assert held(pretend) == set(old)
    real = run(f"{command} -y").json
    assert by_action(dry.json, "would-delete") == by_action(real, "deleted") == old[:2]
    assert by_action(dry.json, "kept") == by_action(real, "kept")
    assert dry.json["items"][0]["reasons"] == ["kept by no rule"]


def test_where_nobody_can_be_asked_it_needs_a_yes(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    old = nights(run, fake, 2)
    refused = run("--sandbox prune --volume data-01 --keep-last 1", exit_code=2)
    assert "-y" in refused.stderr
    assert "--dry-run" in refused.stderr
    assert held(pretend) == set(old)


def test_on_a_terminal_it_shows_what_would_go_and_asks(
    run: Run, pretend: Pretend, fake: FakeClock, terminal: Callable[[str], None]
) -> None:
    old = nights(run, fake, 3)
    terminal("n\n")
    asked = run("--sandbox prune --volume data-01 --keep-last 1 -f json", exit_code=1)
    assert "Delete 2 snapshots?" in asked.stderr
    assert all(id_[:8] in asked.stderr for id_ in old[:2])
    assert "data-01" in asked.stderr
    assert old[2][:8] not in asked.stderr
    assert asked.json["summary"] == {"refused": 2}
    assert asked.json["items"][0]["reasons"] == ["not confirmed; nothing was deleted"]
    assert held(pretend) == set(old)
    terminal("y\n")
    run("--sandbox prune --volume data-01 --keep-last 1")
    assert held(pretend) == {old[2]}


def test_with_nothing_to_delete_it_asks_nothing(
    run: Run, fake: FakeClock, terminal: Callable[[str], None]
) -> None:
    nights(run, fake, 1)
    terminal("")
    assert "Delete" not in run("--sandbox prune --volume data-01 --keep-last 1").stderr


def test_only_the_policys_own_are_judged(run: Run, pretend: Pretend, fake: FakeClock) -> None:
    volume_id = pretend.named("data-01")
    foreign = pretend.snapshot(volume_id, "data-01-20261120T000000Z")
    backup = pretend.snapshot(volume_id, "manualbk_snapshot_1")
    default = nights(run, fake, 2)
    hourly = nights(run, fake, 2, "--policy hourly")
    run("--sandbox prune --volume data-01 --keep-last 1 --policy hourly -y")
    assert held(pretend) == {foreign, backup, *default, hourly[1]}
    run("--sandbox prune --volume data-01 --keep-last 1 -y")
    assert held(pretend) == {foreign, backup, default[1], hourly[1]}
    record = run("--sandbox prune --volume data-01 --keep-last 1 --policy nobodys -y -f json").json
    assert record["items"] == []


def test_the_newest_usable_one_stays_whatever_the_rules(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    (only,) = nights(run, fake, 1)
    fake.advance(5000 * DAY)
    run("--sandbox prune --volume data-01 --keep-within 1s -y")
    assert held(pretend) == {only}


def test_rules_that_could_not_fit_a_disk_are_no_matter_here(run: Run, fake: FakeClock) -> None:
    nights(run, fake, 1)
    run("--sandbox prune --volume data-01 --keep-daily 7 --keep-weekly 4 -y")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("--volume data-01 -y", 2),
        ("--keep-last 1 -y", 2),
        ("--volume data-01 --keep-last 1 --policy ' ' -y", 2),
        ("--volume nobody --keep-last 1 -y", 5),
        ("--volume shared-name --keep-last 1 -y", 5),
        ("--match 'nobody*' --keep-last 1 -y", 5),
    ],
)
def test_what_cannot_work_is_refused(run: Run, options: str, code: int) -> None:
    run(f"--sandbox prune {options}", exit_code=code)


def test_a_snapshot_that_cannot_be_deleted_costs_itself_alone(
    run: Run, pretend: Pretend, fake: FakeClock
) -> None:
    """found: the rest of the disk was not begun, each night, until no slot was left.

    The sandbox ends deletions of snapshots so named in error_deleting.
    """
    stuck = nights(run, fake, 1, "--name 'will-fail-{utc}'")
    rest = nights(run, fake, 2)
    record = run("--sandbox prune --volume data-01 --keep-last 1 -y -f json", exit_code=3).json
    assert by_action(record, "failed") == stuck
    assert by_action(record, "deleted") == [rest[0]]
    assert {*stuck, rest[1]} == held(pretend)
    again = run("--sandbox prune --volume data-01 --keep-last 1 -y -f json").json
    assert "left alone while error_deleting" in str(again["items"])
