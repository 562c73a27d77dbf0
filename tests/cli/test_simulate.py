"""`evs-snap simulate`: what rules come to, told without a cloud."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.cli.processes import lines, on_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

RULES = "--keep-daily 4 --keep-weekly 2 --keep-monthly 1 --every 1d"


def test_it_tells_what_is_held_and_how_far_back_one_can_go(run: Run) -> None:
    lines = run(f"simulate {RULES} -f value").stdout.splitlines()
    assert [line.split("\t") for line in lines[:6]] == [
        ["runs", "365"],
        ["peak", "6 of 7, while a run is at work"],
        ["held", "4 to 5, at the end of a day"],
        ["back at best", "8d"],
        ["back at worst", "3d"],
        ["adds nothing", "--keep-monthly 1"],
    ]
    kept = [line.split("\t")[0] for line in lines[6:]]
    assert kept[0] == "kept 2026-11-23T02:17:00Z", "the last run is now"
    assert len(kept) == 4, "it is a Monday"


def test_the_document_tells_the_same_in_numbers(run: Run) -> None:
    document = run(f"simulate {RULES} --for 60d --limit 9 -f json").json
    assert document["command"] == "simulate"
    assert (document["runs"], document["missed"], document["refused"]) == (60, 0, 0)
    assert (document["peak"], document["limit"]) == (6, 9)
    assert document["held"]["Thursday"] == {"least": 5, "most": 5}
    assert (document["best_reach"], document["worst_reach"]) == (8 * 86400, 3 * 86400)
    assert document["idle_rules"] == ["monthly"]
    assert document["kept"][0]["reasons"] == [
        "daily 2026-11-23",
        "weekly 2026-W48",
        "monthly 2026-11",
    ]


def test_runs_missed_are_told_and_the_same_each_time(run: Run) -> None:
    first = run(f"simulate {RULES} --miss 0.1").stdout
    assert " missed" in first
    assert first == run(f"simulate {RULES} --miss 0.1").stdout


def test_no_cloud_is_needed_and_none_is_asked(run: Run) -> None:
    assert run("-v simulate --keep-last 2 --every 6h --for 3d").stderr == ""


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--every 1d", "Say what to keep"),
        ("--keep-last 2", "--every"),
        ("--keep-last 2 --every 2d --for 1d", "--every"),
        ("--keep-last 2 --every 1d --miss 1", "--miss"),
        ("--keep-last 2 --every 1s", "10000 is the most"),
        # found: these two did not end
        ("--keep-last 9000 --every 1h --limit 10000", "too much to play"),
        ("--keep-within 1y --every 1h --limit 100000", "too much to play"),
        ("--keep-daily 7 --keep-weekly 4 --every 1d", "10"),
    ],
)
def test_what_cannot_be_played_is_a_usage_error(run: Run, options: str, told: str) -> None:
    assert told in run(f"simulate {options}", exit_code=2).stderr


def test_its_limit_is_that_of_every_other_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """found: the help said that `--limit` comes from clouds.yaml, and it was always 7."""
    rules = "simulate --keep-last 8 --every 1d --for 9d -f value -c Value"
    run(rules, exit_code=2)
    monkeypatch.setenv("EVS_SNAP_LIMIT", "9")
    assert "9 of 9" in run(rules).stdout
    monkeypatch.delenv("EVS_SNAP_LIMIT")
    cloud = {"auth_type": "token", "auth": {"auth_url": "https://iam", "token": "t"}}
    own = {"auth": {**cloud["auth"], "project_id": "p"}, "evs_snap": {"limit": 10}}  # type: ignore[dict-item]
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"ours": {**cloud, **own}}}))
    assert "9 of 10" in run(f"{rules} --os-cloud ours").stdout
    run(f"{rules} --os-cloud nobodys", exit_code=2)


def test_the_line_of_time_shows_what_is_kept_and_by_which_rule() -> None:
    _, shown = on_terminal("simulate", *RULES.split(), env={"NO_COLOR": "1"})
    line, axis, legend = lines(shown)[-3:]
    assert re.fullmatch(r"  ●─[─■▲◆]+[■▲◆]", line), line
    assert len(line) == 62
    assert axis.endswith("now")
    assert re.fullmatch(r"  ● weekly \d(   [■▲◆] (daily|weekly|monthly) \d)+", legend), legend
