"""Many disks: by tag, and in shards."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Run

TAGGED = {"data-02", "db-data"}


def names(run: Run, options: str) -> list[str]:
    return run(f"--sandbox volumes {options} -f value -c Name").stdout.splitlines()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("--with-tag backup=daily", TAGGED),
        ("--with-tag backup", TAGGED),
        ("--with-tag backup --with-tag team=db", {"db-data"}),
        ("--with-tag backup=daily --match 'data-*'", {"data-02"}),
    ],
)
def test_disks_that_carry_every_tag_asked_for_are_selected(
    options: str, found: set[str], run: Run
) -> None:
    assert set(names(run, options)) == found


@pytest.mark.parametrize(
    "options", ["--with-tag backup=weekly", "--with-tag backup=daily --with-tag nothing"]
)
def test_tags_that_no_disk_carries_select_nothing(options: str, run: Run) -> None:
    run(f"--sandbox create {options}", exit_code=5)


def test_a_snapshot_is_taken_of_each_disk_with_the_tag(run: Run) -> None:
    made = run("--sandbox create --with-tag backup=daily -f value -c Volume").stdout
    assert set(made.splitlines()) == TAGGED


def test_tags_are_a_column_and_a_request_for_those_who_ask(run: Run) -> None:
    plain = run("-v --sandbox volumes")
    assert "Tags" not in plain.stdout
    assert "cloudvolumes" not in plain.stderr
    shown = run("-v --sandbox volumes db-data -f csv -c Name -c tags")
    assert shown.stdout.splitlines() == ["Name,Tags", 'db-data,"backup=daily,team=db"']
    assert "/v2/" in shown.stderr
    (row,) = run("--sandbox volumes --with-tag team -f json").json
    assert row["tags"] == {"backup": "daily", "team": "db"}
    untold = run("--sandbox volumes -f json").json[0]
    assert "tags" not in untold, "found: null for the tags of a disk that has some"


def test_the_shards_together_are_everything_and_no_disk_is_in_two(run: Run) -> None:
    shards = [names(run, f"--shard {i}/3") for i in range(3)]
    assert sorted(chain.from_iterable(shards)) == sorted(names(run, ""))
    assert all(shards), "the sandbox has disks for each"


def test_the_index_comes_from_kubernetes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVS_SNAP_SHARD", "/3")
    run("--sandbox create --all", exit_code=2)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert names(run, "") == names(run, "--shard 1/3")


def shards_of(run: Run, disk: str) -> tuple[str, str]:
    """Return the half that the disk is in, and the other one."""
    first = disk in names(run, "--shard 0/2")
    return ("0/2", "1/2") if first else ("1/2", "0/2")


def test_a_shard_without_disks_ends_well_and_says_so(run: Run) -> None:
    mine, other = shards_of(run, "data-01")
    options = "--sandbox create data-01 --shard"
    empty = run(f"{options} {other} -f json")
    assert empty.json["items"] == []
    assert "no disk selected is in this shard" in empty.json["remark"]
    assert "no disk selected is in this shard" in empty.stderr
    assert run(f"-q {options} {other}").stderr == ""
    assert run(f"{options} {mine}").ids, "the other part takes it"
    rotated = run(f"--sandbox rotate data-01 --keep-last 2 --shard {other}")
    pruned = run(f"--sandbox prune data-01 --keep-last 2 -y --shard {other}")
    checked = run(f"--sandbox check data-01 --max-age 1d --shard {other}")
    assert "in this shard" in rotated.stderr
    assert "in this shard" in pruned.stderr
    assert checked.stdout.startswith("EVS-SNAP OK - no disk selected is in this shard")


def test_a_name_that_no_disk_has_is_an_error_in_every_shard(run: Run) -> None:
    for shard in ("0/2", "1/2"):
        run(f"--sandbox create no-such-disk --shard {shard}", exit_code=5)
    run("--sandbox create --shard 0/2", exit_code=2)


@pytest.mark.parametrize("shard", ["4/4", "1", "a/b", "1/0", "-1/4", "/4"])
def test_what_is_no_shard_is_a_usage_error(shard: str, run: Run) -> None:
    run(f"--sandbox create --all --shard={shard}", exit_code=2)
