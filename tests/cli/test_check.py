"""`evs-snap check`: one line and a monitoring plugin's exit code, from the cloud alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

HOUR = 3600


def line_of(run: Run, options: str, *, exit_code: int) -> str:
    """Run a check; return the one line on stdout."""
    out = run(f"--sandbox check {options}", exit_code=exit_code).stdout
    assert out.endswith("\n")
    (line,) = out.splitlines()
    return line


def test_a_fresh_snapshot_is_ok_until_it_is_too_old(run: Run, fake: FakeClock) -> None:
    run("--sandbox create --volume data-01 --policy default")
    options = "--volume data-01 --max-age 26h"
    line = line_of(run, options, exit_code=0)
    assert re.fullmatch(
        r"EVS-SNAP OK - 1 disk, each has a fresh snapshot "
        r"\| disks=1 without=0 oldest_newest=\d+s;;93600",
        line,
    )
    fake.advance(25 * HOUR)
    line_of(run, options, exit_code=0)
    fake.advance(2 * HOUR)
    line = line_of(run, options, exit_code=2)
    assert line.startswith("EVS-SNAP CRITICAL - 1 of 1 disk: data-01 newest is 1d3h old, ")


def test_no_snapshot_of_the_policy_is_critical_whatever_others_have(
    run: Run, pretend: Pretend
) -> None:
    pretend.snapshot(pretend.named("data-01"), "data-01-20261123T021700Z")
    run("--sandbox create data-01")
    line = line_of(run, "--volume data-01 --max-age 26h", exit_code=2)
    assert "data-01 has no usable snapshot of policy default" in line
    line_of(run, "--volume data-01 --max-age 26h --policy manual", exit_code=0)


def test_too_few_are_critical(run: Run) -> None:
    assert "has 2 of 3" in line_of(run, "--volume data-02 --max-age 2d --min-count 3", exit_code=2)
    line_of(run, "--volume data-02 --max-age 2d --min-count 2", exit_code=0)


def test_a_full_disk_is_a_warning(run: Run) -> None:
    assert "full-01 full (7 of 7)" in line_of(run, "--volume full-01 --max-age 2d", exit_code=1)
    line_of(run, "--volume full-01 --max-age 2d --limit 8", exit_code=0)


def test_one_of_ours_in_error_is_a_warning_and_worse_where_it_is_the_only_one(
    run: Run, pretend: Pretend
) -> None:
    pretend.disk("will-fail")
    run("--sandbox create --policy default --volume will-fail", exit_code=1)
    assert "no usable" in line_of(run, "--volume will-fail --max-age 1d", exit_code=2)


def test_one_in_progress_is_none_yet(run: Run) -> None:
    run("--sandbox create --policy default --volume data-01 --no-wait")
    line_of(run, "--volume data-01 --max-age 1d", exit_code=2)


def test_the_worst_of_many_disks_decides(run: Run) -> None:
    line = line_of(run, "--match 'data-*' --max-age 2d", exit_code=2)
    assert line.startswith("EVS-SNAP CRITICAL - 1 of 2 disks: data-01 ")
    line_of(run, "--match 'data-*' --exclude data-01 --max-age 2d", exit_code=0)
    line = line_of(run, "--all --max-age 2d", exit_code=2)
    assert "of 10 disks" in line
    assert "and 3 more" in line


@pytest.mark.parametrize(
    "options",
    ["--volume nobody --max-age 1d", "--volume shared-name --max-age 1d",
     "--match 'nobody*' --max-age 1d"],
)  # fmt: skip
def test_what_cannot_be_found_out_is_unknown(run: Run, options: str) -> None:
    assert line_of(run, options, exit_code=3).startswith("EVS-SNAP UNKNOWN - ")


@pytest.mark.parametrize(
    "options",
    ["", "--volume data-01", "--max-age 1d", "--volume data-01 --max-age soon",
     "--volume data-01 --max-age 1d --min-count 0", "--volume data-01 --max-age 1d --nonsense",
     "--volume data-01 --max-age 1d ''"],
)  # fmt: skip
def test_a_wrong_option_is_unknown_and_not_critical(run: Run, options: str) -> None:
    assert "error" in run(f"--sandbox check {options}", exit_code=3).stderr.lower()


def test_without_a_cloud_it_is_unknown(run: Run) -> None:
    result = run("check --volume data-01 --max-age 1d", exit_code=3)
    assert result.stdout.startswith("EVS-SNAP UNKNOWN - ")
    assert len(result.stdout.splitlines()) == 1


def test_a_name_of_several_lines_stays_in_one(run: Run, pretend: Pretend) -> None:
    pretend.disk("a\nEVS-SNAP OK\x1b[2J|disks=9")
    line = line_of(run, "--match 'a*OK*' --max-age 1d", exit_code=2)
    assert line.isprintable()
    assert line.count("|") == 1


def test_it_reads_and_changes_nothing(run: Run, requests: Callable[[str], list[str]]) -> None:
    result = run("-v --sandbox check --all --max-age 1d", exit_code=2)
    lines = requests(result.stderr)
    assert lines
    assert all(line.startswith("GET") for line in lines)
    assert len(lines) == 2, "one list of disks and one of snapshots"


def test_after_the_nightly_rotation_all_is_well(run: Run, fake: FakeClock) -> None:
    for _ in range(10):
        run("--sandbox rotate --volume data-01 --keep-last 2 --keep-daily 3 --keep-weekly 1")
        fake.advance(24 * HOUR)
        line_of(run, "--volume data-01 --max-age 26h", exit_code=0)


def test_a_prune_that_stopped_is_a_warning(run: Run, fake: FakeClock) -> None:
    rules = "--keep-last 2 --keep-daily 2"
    for _ in range(5):
        run(f"--sandbox rotate --volume data-01 {rules}")
        fake.advance(24 * HOUR)
    options = f"--volume data-01 --max-age 26h {rules}"
    line_of(run, options, exit_code=0)
    for _ in range(2):
        run("--sandbox create --volume data-01 --policy default")
        line_of(run, options, exit_code=0)  # a run may be at work
        fake.advance(24 * HOUR)
    line = line_of(run, options, exit_code=1)
    assert "data-01 has 4 usable snapshots where the rules keep 3 at most: not pruned" in line
    line_of(run, f"{options} --policy other", exit_code=2)
    line_of(run, f"{options} --keep-within 3d", exit_code=0)
    line_of(run, "--volume data-01 --max-age 26h", exit_code=0)
    run(f"--sandbox rotate --volume data-01 {rules}")
    line_of(run, options, exit_code=0)
