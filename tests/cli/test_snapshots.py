"""`evs-snap snapshots`: what there is, newest first."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

TITLES = ["ID", "Name", "Volume", "Volume ID", "Status", "Size", "Created", "Policy"]


def test_the_columns_are_those_of_the_design_in_its_order(run: Run) -> None:
    header, *rows = csv.reader(io.StringIO(run("--sandbox snapshots -f csv").stdout))
    assert header == TITLES
    assert len(rows) == 11
    created = [row[TITLES.index("Created")] for row in rows]
    assert created == sorted(created, reverse=True)
    assert {row[TITLES.index("Volume")] for row in rows} == {
        "backed-up",
        "data-02",
        "db-data",
        "full-01",
    }


def test_json_holds_the_apis_keys_and_the_policy(run: Run) -> None:
    rows = run("--sandbox snapshots -f json").json
    assert len(rows) == 11
    for row in rows:
        assert {"id", "name", "volume_id", "status", "size", "metadata", "description"} <= set(row)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["created_at"])
        assert (row["policy"] is not None) == ("evs_snap_key" in row["metadata"])


def test_json_of_nothing_is_an_empty_array(run: Run) -> None:
    assert run("--sandbox snapshots --volume data-01 -f json").json == []


def test_of_nothing_values_are_nothing_and_tables_a_header(run: Run) -> None:
    assert run("--sandbox snapshots --volume data-01 -f value").stdout == ""
    assert re.split("  +", run("--sandbox snapshots --volume data-01").stdout.strip()) == TITLES


def test_the_backup_services_snapshots_are_hidden_unless_asked_for(run: Run) -> None:
    hidden = run("--sandbox snapshots --volume backed-up -f value -c Name").stdout
    shown = run("--sandbox snapshots --volume backed-up --all-kinds -f value -c Name").stdout
    assert "autobk_snapshot_" not in hidden
    assert "autobk_snapshot_" in shown
    assert len(shown.splitlines()) == len(hidden.splitlines()) + 1


def test_owned_means_stamped_whatever_the_name(run: Run, pretend: Pretend) -> None:
    pretend.snapshot(pretend.named("data-01"), "data-01-20261123T000000Z")
    owned = run("--sandbox snapshots --owned -f json").json
    assert len(owned) == 4
    assert all(row["policy"] == "default" for row in owned)


def test_status_keeps_those_in_it(run: Run) -> None:
    assert run("--sandbox snapshots --status error -f value -c Name").stdout == "vor dem Umzug\n"


@pytest.mark.parametrize(("age", "count"), [("5d", 3), ("3d", 6), ("52w", 0), ("90s", 11)])
def test_older_than_keeps_the_old(run: Run, age: str, count: int) -> None:
    assert len(run(f"--sandbox snapshots --older-than {age} -f json").json) == count


def test_newer_than_keeps_the_young(run: Run) -> None:
    young = run("--sandbox snapshots --newer-than 5d -f json").json
    old = run("--sandbox snapshots --older-than 5d -f json").json
    assert (len(young), len(old)) == (8, 3)
    assert len(run("--sandbox snapshots --newer-than 5d --older-than 3d -f json").json) == 3


def test_one_just_as_old_as_the_bound_is_listed_once(run: Run, fake: FakeClock) -> None:
    (item,) = run("--sandbox create data-01 -f json").json["items"]
    fake.moment = datetime.fromisoformat(item["snapshot"]["created_at"]) + timedelta(days=1)
    assert run("--sandbox snapshots data-01 --newer-than 1d -f json").json[0]["policy"] == "manual"
    older = run("--sandbox snapshots data-01 --older-than 1d -f json").json
    assert item["snapshot"]["id"] not in {row["id"] for row in older}


def test_rows_are_sorted_by_what_they_mean(run: Run) -> None:
    sizes = run("--sandbox snapshots --sort Size -f value -c Size").stdout.split()
    assert sizes == sorted(sizes, key=int)
    shown = run("--sandbox snapshots --sort Volume --sort Created -f value -c Volume -c Created")
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    assert rows == sorted(rows)


def test_whose_kind_and_how_consistent_it_is_are_columns_on_request(run: Run) -> None:
    shown = run("--sandbox snapshots data-02 -f csv -c Kind -c Consistency -c Age").stdout
    assert shown.splitlines() == ["Kind,Consistency,Age", "legacy,,1d", "legacy,,2d"]
    assert {row["kind"] for row in run("--sandbox snapshots -f json").json} == {"legacy"}


def test_older_than_counts_from_now(run: Run, fake: FakeClock) -> None:
    assert run("--sandbox snapshots --older-than 30d -f json").json == []
    fake.advance(40 * 86400)
    assert len(run("--sandbox snapshots --older-than 30d -f json").json) == 11


def test_filters_combine(run: Run) -> None:
    line = "--sandbox snapshots --volume full-01 --owned --older-than 3d -f json"
    assert len(run(line).json) == 1


@pytest.mark.parametrize("wrong", ["5", "5x", "-5d", "1.5h", "d", "", "9999999d"])
def test_a_duration_that_is_none_is_a_usage_error(run: Run, wrong: str) -> None:
    refused = run(f"--sandbox snapshots --older-than '{wrong}'", exit_code=2)
    assert "--older-than" in refused.stderr


def test_volume_is_the_disks_name_and_volume_id_its_id_in_every_format(run: Run) -> None:
    """found: `-c Volume` was the ID in JSON and the name in CSV."""
    for form in ("json", "yaml"):
        rows = yaml.safe_load(run(f"--sandbox snapshots data-02 -f {form} -c volume").stdout)
        assert rows == [{"volume_name": "data-02"}] * 2
    rows = run("--sandbox snapshots data-02 -f json -c 'volume id' -c Volume").json
    disk = rows[0]["volume_id"]
    written = run("--sandbox snapshots data-02 -f csv -c 'Volume ID' -c Volume").stdout
    assert written == f"Volume ID,Volume\n{disk},data-02\n{disk},data-02\n"


def test_yaml_holds_what_json_holds(run: Run) -> None:
    told = run("--sandbox snapshots -f json").json
    assert yaml.safe_load(run("--sandbox snapshots -f yaml").stdout) == told
