"""What somebody at a terminal sees: colour, questions, progress, a line that sums up."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from tests.cli.processes import lines, on_terminal, run

from evs_snap import connect
from evs_snap.clock import system_clock
from evs_snap.render.progress import Progress
from evs_snap.runs.locks import DiskLocks
from evs_snap.runs.work import Tally
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from tests.cli.conftest import Pretend

pytestmark = pytest.mark.processes

OURS = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"
"""A snapshot of data-02 that carries our stamp."""


def words(shown: str) -> str:
    return " ".join("\n".join(lines(shown)).split())


@pytest.mark.parametrize(
    ("choice", "env", "coloured"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"TERM": "dumb"}, False),
        ("never", {}, False),
        ("always", {"NO_COLOR": "1"}, True),
    ],
)
def test_both_streams_are_coloured_where_that_is_wanted(
    choice: str, env: dict[str, str], *, coloured: bool
) -> None:
    """found: `error:` stayed bold red under NO_COLOR=1 and --color never."""
    line = "create data-01 full-01 --no-wait"
    _, shown = on_terminal("--color", choice, "--sandbox", *line.split(), env=env)
    assert bool(re.search(r"\x1b\[1mVolume", shown)) == coloured
    assert bool(re.search(r"\x1b\[31m.*error:", shown)) == coloured


@pytest.mark.parametrize("line", ["volumes", "snapshots", "create full-01"])
def test_colour_that_is_asked_for_gets_into_a_pipe(line: str) -> None:
    """found: `--color always` never coloured in a pipe."""
    done = run("--color", "always", "--sandbox", *line.split())
    assert "\x1b[1mID\x1b[0m" in done.stdout
    assert "\x1b" not in run("--sandbox", *line.split()).stdout
    if "create" in line:
        assert "\x1b[31m\x1b[1merror:\x1b[0m" in done.stderr


def test_an_error_stands_out_by_word_and_colour() -> None:
    _, shown = on_terminal("--sandbox", "volumes")
    assert "\x1b[31merror\x1b[0m" in shown
    assert "\x1b[31m7/7 full\x1b[0m" in shown


def test_a_question_is_a_table_that_names_the_disk() -> None:
    """found: the question before a deletion broke lines inside names and told no disk."""
    code, shown = on_terminal("--sandbox", "delete", OURS, typed=b"n\n")
    assert code == 1
    header = next(line for line in lines(shown) if line.lstrip("n").startswith("ID"))
    assert header.split()[-3:] == ["Name", "Volume", "Created"]
    assert re.search(r"9d1b20c9\S* +data-02-\d{8}T\d{6}Z +data-02 +2d ago", "\n".join(lines(shown)))
    assert "Delete 1 snapshot? [y/N]" in shown


def test_the_question_before_a_rollback_breaks_no_word() -> None:
    """found: lines of the question were broken inside IDs and times."""
    _, shown = on_terminal("--sandbox", "restore", OURS, "--in-place", typed=b"n\n")
    told = lines(shown)
    assert all(len(line) <= 80 for line in told)
    assert any(OURS in line for line in told)
    assert any("Type the disk's name (data-02) to roll it back" in line for line in told)


def test_the_first_snapshot_of_a_disk_leads_on_to_the_next_commands() -> None:
    _, shown = on_terminal("--sandbox", "create", "data-01")
    assert "Next: `evs-snap --sandbox show data-01`." in words(shown)
    _, shown = on_terminal("--sandbox", "create", "data-01")
    assert "Next:" not in words(shown)


def test_a_long_wait_says_every_five_minutes_that_it_lasts() -> None:
    """Of what is in trouble it tells the names, and how long the rest may take."""
    said: list[str] = []
    progress = Progress(write=said.append)
    for minute in range(12):
        troubled = ("data-07",) if minute > 6 else ()
        progress.show(
            Tally.of(f"{minute}m", done=minute, total=12, passed=minute * 60.0, troubled=troubled)
        )
    assert said == [
        "0m",
        "5m, about 7m left",
        "10m, about 2m left; in trouble: data-07",
    ]


def test_progress_has_numbers_and_time() -> None:
    _, shown = on_terminal("--sandbox", "create", "data-01", "data-02", "db-data")
    assert re.search(r"─{20} 0 of 3 snapshots available, \d+s of 15m", words(shown))


def test_a_run_takes_a_line_a_row_of_80_columns() -> None:
    """found: `create --all` took 45 lines for ten disks."""
    _, shown = on_terminal("--sandbox", "create", "--all", "--dry-run")
    table = [line for line in lines(shown) if not line.startswith(("sandbox:", "error:", "hint:"))]
    at = next(n for n, line in enumerate(table) if line.startswith("Volume "))
    assert table[at].split()[:3] == ["Volume", "Action", "Reason"], "no ID is known yet"
    rows = table[at + 1 : at + 11]
    assert sum("would create" in row for row in rows) == 8
    assert any(re.search(r"full-01 +refused +full: 7 of 7", row) for row in rows)
    assert any(re.search(r"broken-01 +refused +disk in error", row) for row in rows)
    assert "8 would create, 2 refused" in shown


def test_what_a_run_made_is_named_where_there_is_room() -> None:
    _, shown = on_terminal("--sandbox", "create", "data-01", "--no-wait", columns=110)
    assert re.search(r"data-01 +created .* +data-01-\d{8}T\d{6}Z", "\n".join(lines(shown)))


def test_a_choice_that_is_missing_is_told_in_one_line() -> None:
    r"""found: `evs-snap completion` answered with literal \n\t between the shells."""
    done = run("completion")
    assert done.returncode == 2
    assert "Choose from: bash, zsh, fish\n" in done.stderr


def test_a_dry_run_says_why_the_new_one_would_stay() -> None:
    """found: the dry run of `rotate` said "last 1", which explains nothing."""
    _, shown = on_terminal("--sandbox", "rotate", "data-01", "--keep-last", "1", "--dry-run")
    told = "\n".join(lines(shown))
    assert re.search(r"kept\s+as\s+last\s+1", told)


def test_a_question_is_broken_between_words(pretend: Pretend) -> None:
    """found: what `restore --in-place` asks was broken inside words at 80 columns."""
    name = "the disk that holds everything, see the wiki page on disks for its history"
    snapshot = pretend.snapshot(pretend.disk(name), "before the upgrade of everything")
    line = ("--sandbox", "restore", snapshot, "--in-place")
    _, shown = on_terminal(*line, typed=b"n\n")
    told = lines(shown)
    assert all(len(shown_line) <= 80 for shown_line in told)
    assert f"Type the disk's name ({name}) to roll it back:" in " ".join(" ".join(told).split())


@pytest.mark.parametrize("name", ["OS_PASSWORD", "OS_USER_DOMAIN_NAME", "OS_AUTH_TYPE=agency"])
def test_the_doctor_splits_no_variables_name(name: str) -> None:
    """found: `doctor` on 80 columns told of OS_ and PASSWORD in two lines."""
    _, shown = on_terminal("doctor")
    assert name in "\n".join(lines(shown))


@pytest.mark.parametrize(
    ("columns", "env", "drawn"),
    [(80, {"NO_COLOR": "1"}, "○"), (140, {"LC_ALL": "C", "PYTHONUTF8": "0",
                                           "PYTHONCOERCECLOCALE": "0", "NO_COLOR": "1"}, ".")],
)  # fmt: skip
def test_the_snapshots_of_a_disk_are_a_line_of_time(
    columns: int, env: dict[str, str], drawn: str
) -> None:
    _, shown = on_terminal("--sandbox", "show", "full-01", columns=columns, env=env)
    found = lines(shown)
    axis = next(number for number, line in enumerate(found) if line.endswith("now"))
    line, legend = found[axis - 1], found[axis + 1]
    assert len(line) == 62
    assert line.count(drawn) == 5
    assert legend.endswith(f"default 2   {drawn} others' 5")
    assert max(map(len, found)) <= columns


def test_the_line_of_time_shows_what_is_kept_and_by_which_rule() -> None:
    rules = "--keep-daily 4 --keep-weekly 2 --keep-monthly 1 --every 1d"
    _, shown = on_terminal("simulate", *rules.split(), env={"NO_COLOR": "1"})
    line, axis, legend = lines(shown)[-3:]
    assert len(line) == 62
    assert axis.endswith("now")
    kept = re.findall(r"(\S) (daily|weekly|monthly) (\d)", legend)
    assert {rule for _, rule, _ in kept} == {"daily", "weekly", "monthly"}
    assert [(sign, str(line.count(sign))) for sign, _, _ in kept] == [
        (sign, number) for sign, _, number in kept
    ]


@pytest.mark.parametrize(
    "line",
    ["create data-02", "rotate data-02 --keep-last 2", "prune data-02 --keep-last 1 -y",
     f"restore {OURS} --as copy", f"restore {OURS} --in-place -y"],
)  # fmt: skip
def test_a_run_that_waits_for_another_says_for_which_disk(line: str) -> None:
    """found: `rotate --lock-wait` said "asking the service" while it waited for another run."""
    clock = system_clock()
    with connect(sandbox=True) as evs:
        (disk,) = evs.volumes(name="data-02")
        folder = state_folder(os.environ) / "locks"
        folder.mkdir(parents=True)
        locks = DiskLocks(folder, project_id=lambda: evs.project.id, wait=0, clock=clock)
        with locks.held({disk.id: "data-02"}):
            code, shown = on_terminal("--sandbox", *line.split(), "--lock-wait", "1s")
    assert code == 11
    assert "waiting for another run to be done with data-02, 0s of 1s" in words(shown)
