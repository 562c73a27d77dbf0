"""`evs-snap volumes`: which disks there are and how full of snapshots they are."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TITLES = ["ID", "Name", "Status", "Size", "Type", "AZ", "Attached", "Snapshots", "Newest"]


@pytest.mark.parametrize("alias", ["disks", "list"])
def test_aliases_mean_the_same(run: Run, alias: str) -> None:
    assert run(f"--sandbox {alias}").stdout == run("--sandbox volumes").stdout


def test_the_columns_are_those_of_the_design_in_its_order(run: Run) -> None:
    header, *rows = csv.reader(io.StringIO(run("--sandbox volumes -f csv").stdout))
    assert header == TITLES
    assert all(len(row) == len(TITLES) for row in rows)
    full = next(row for row in rows if row[1] == "full-01")
    assert full[TITLES.index("Snapshots")] == "7/7"
    assert RFC3339.fullmatch(full[TITLES.index("Newest")])


def test_a_disk_without_snapshots_has_none_and_no_newest(run: Run) -> None:
    assert run("--sandbox volumes --volume data-01 -f value -c Snapshots -c Newest").stdout == (
        "0/7\t\n"
    )


def test_the_backup_services_snapshots_are_not_counted(run: Run) -> None:
    shown = run("--sandbox volumes --volume backed-up -f value -c Snapshots")
    assert shown.stdout.strip() == "1/7"


def test_the_newest_is_the_newest_usable_one(run: Run, pretend: Pretend) -> None:
    disk = pretend.disk("fail-by-name")
    pretend.snapshot(disk, "ends in error")
    shown = run("--sandbox volumes --volume fail-by-name -f json").json
    assert shown[0]["snapshots"] == {"count": 1, "limit": 7}
    assert shown[0]["newest_snapshot_at"] is None


def test_the_limit_shown_is_the_one_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """found: `--limit 3` means three rows to those who know `openstack`."""
    assert "--slots N" in run("--sandbox volumes --limit 3", exit_code=2).stderr
    shown = "--sandbox volumes --volume data-02 -f value -c Snapshots"
    assert run(f"{shown} --slots 3").stdout.strip() == "2/3"
    monkeypatch.setenv("EVS_SNAP_LIMIT", "4")
    assert run(shown).stdout.strip() == "2/4"


BY_NAME = ["backed-up", "broken-01", "data-01", "data-02", "db-data", "full-01", "shared-name",
           "shared-name", "数据盘-größe", ""]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("", BY_NAME),
        ("data-02 data-01", ["data-01", "data-02"]),
        ("--status in-use", ["db-data"]),
        ("--status ERROR", ["broken-01"]),
        ("--match 'd*' --sort size:desc", ["db-data", "data-02", "data-01"]),
        ("--match 'd*' --sort Size", ["data-01", "data-02", "db-data"]),
        ("--match 'd*' --sort type --sort name:DESC", ["db-data", "data-02", "data-01"]),
        ("--sort newest:desc --match '*-0[12]'", ["full-01", "data-02", "broken-01", "data-01"]),
        ("--sort snapshots:desc --match '*-0[12]'", ["full-01", "data-02", "broken-01", "data-01"]),
        ("--unprotected", [n for n in BY_NAME if n not in {"data-02", "full-01"}]),
        ("--unprotected --newer-than 23h --match '*-0[12]'", ["broken-01", "data-01", "data-02"]),
        ("--unprotected --older-than 52w", []),
        ("--older-than 1d --match '*-01'", ["broken-01", "data-01", "full-01"]),
        ("--newer-than 1d", []),
        ("--newer-than 52w --match '*-02'", ["data-02"]),
    ],
)
def test_a_list_answers_questions(run: Run, options: str, names: list[str]) -> None:
    shown = run(f"--sandbox volumes {options} -f value -c Name").stdout
    assert shown.splitlines() == names


@pytest.mark.parametrize("sort", ["colour", "Name:up", ":desc"])
@pytest.mark.parametrize("command", ["volumes", "snapshots"])
def test_an_order_that_is_none_is_refused_before_anything_is_sent(
    run: Run, requests: Callable[[str], list[str]], command: str, sort: str
) -> None:
    refused = run(f"-v --sandbox {command} --sort {sort}", exit_code=2)
    assert requests(refused.stderr) == []


def test_columns_on_request(run: Run, pretend: Pretend) -> None:
    disk = pretend.disk("young")
    shown = run(f"--sandbox volumes {disk} -f csv -c age -c Description").stdout
    assert shown == "Age,Description\n3s,\n"
    (row,) = run(f"--sandbox volumes {disk} -f json -c Age").json
    assert RFC3339.fullmatch(row["created_at"]), "programs count from the moment"


def test_names_alone_cost_one_listing(run: Run, requests: Callable[[str], list[str]]) -> None:
    asked = requests(run("-v --sandbox volumes -c Name").stderr)
    assert [line.partition("?")[0] for line in asked] == ["GET volumes/detail"]
    with_counts = requests(run("-v --sandbox volumes -c Name -c newest").stderr)
    assert {line.partition("?")[0] for line in with_counts} == {
        "GET volumes/detail",
        "GET snapshots/detail",
    }


def test_all_disks_cost_no_request_for_each(run: Run, requests: Callable[[str], list[str]]) -> None:
    assert len(requests(run("-v --sandbox volumes").stderr)) == 2


def test_json_is_a_plain_array_under_the_apis_own_keys(run: Run) -> None:
    disks = run("--sandbox volumes -f json").json
    assert len(disks) == 10
    for disk in disks:
        assert isinstance(disk["id"], str)
        assert disk["name"] is None or isinstance(disk["name"], str)
        assert isinstance(disk["size"], int)
        assert isinstance(disk["status"], str)
        assert isinstance(disk["metadata"], dict)
        assert isinstance(disk["attachments"], list)
        assert RFC3339.fullmatch(disk["created_at"])
        assert isinstance(disk["snapshots"]["count"], int)
        assert disk["newest_snapshot_at"] is None or RFC3339.fullmatch(disk["newest_snapshot_at"])
    attached = next(disk for disk in disks if disk["name"] == "db-data")
    assert attached["attachments"][0]["server_id"]
    assert None in {disk["name"] for disk in disks}


def test_json_keeps_to_the_columns_asked_for(run: Run) -> None:
    (disk,) = run("--sandbox volumes --volume data-02 -f json -c ID -c snapshots").json
    assert disk == {"id": disk["id"], "snapshots": {"count": 2, "limit": 7}}


def test_a_disks_own_id_selects_it(run: Run, pretend: Pretend) -> None:
    disk = pretend.named("data-02")
    assert run(f"--sandbox volumes --volume {disk} -f value -c Name").stdout == "data-02\n"


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ("--match 'data-*'", {"data-01", "data-02"}),
        ("--match 'data-*' --exclude '*-02'", {"data-01"}),
        ("--match data-01 --match db-data", {"data-01", "db-data"}),
        ("--with-metadata env=prod", {"data-02", "db-data", "full-01"}),
        ("--with-metadata env", {"data-02", "db-data", "full-01"}),
        ("--with-metadata env=prod --match 'd*'", {"data-02", "db-data"}),
        ("--server bac71b9b-8ac9-4e51-87dc-020ed0a84a55", {"db-data"}),
        ("--volume data-01 --volume full-01", {"data-01", "full-01"}),
        ("--volume data-01 --match 'full-*'", {"data-01", "full-01"}),
        ("--volume data-01 --volume data-01", {"data-01"}),
    ],
)
def test_select_chooses_disks(run: Run, select: str, names: set[str]) -> None:
    shown = run(f"--sandbox volumes {select} -f value -c Name").stdout.splitlines()
    assert set(shown) == names
    assert len(shown) == len(names)


def test_exclude_alone_leaves_all_others(run: Run) -> None:
    shown = run("--sandbox volumes --exclude 'd*' -f json").json
    assert len(shown) == 7


@pytest.mark.parametrize(
    "select", ["--match 'zzz*'", "--server nobody", "--with-metadata nothing", "--volume nobody"]
)
def test_a_selection_that_matches_nothing_is_an_error(run: Run, select: str) -> None:
    refused = run(f"--sandbox volumes {select}", exit_code=5)
    assert refused.stdout == ""
    assert "error:" in refused.stderr


def test_a_disk_named_like_another_ones_id_does_not_hide_it(run: Run, pretend: Pretend) -> None:
    disk = pretend.named("data-01")
    pretend.disk(disk)
    assert run(f"--sandbox volumes --volume {disk} -f value -c Name").stdout == "data-01\n"


def test_a_name_that_cinder_takes_for_a_literal_is_found(run: Run, pretend: Pretend) -> None:
    for name in ("123", "None", "True", "[1]"):
        disk = pretend.disk(name)
        assert run(f"--sandbox volumes --volume {name} -f value -c ID").stdout == f"{disk}\n"


def test_ages_move_with_the_clock_and_times_do_not(run: Run, fake: FakeClock) -> None:
    before = run("--sandbox volumes -f value -c ID -c Newest").stdout
    fake.advance(86400)
    assert run("--sandbox volumes -f value -c ID -c Newest").stdout == before
