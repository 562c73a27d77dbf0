"""`evs-snap restore`: a new disk of a snapshot, or its own disk rolled back."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from evs_snap import restore
from evs_snap.errors import ConfigurationError
from evs_snap.runs.locks import DiskLocks
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Pretend
    from tests.conftest import Run

    from evs_snap.services.interface import Snapshot

NEWER = "4414fdb8-62a0-447c-b759-5d14075cb92a"
"""One of two of data-02 (SAS, in the first zone, 100 GiB), the newer one."""

OF_ATTACHED = "168d5cca-cd43-4c46-a1a9-13a554a8bff7"
"""Of db-data, which is attached, named before-upgrade."""

OF_FULL = "5efed21e-cdb8-4935-8cbb-bf8d85e5636e"
"""Of full-01, named golden."""

BACKUP = "c8f3cae2-9fc0-4e74-8cc3-89b20e2c3dcc"
NOBODY = "00000000-0000-4000-8000-000000000000"
SERVER = "bac71b9b-8ac9-4e51-87dc-020ed0a84a55"


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


def safety_of(pretend: Pretend, name: str) -> list[Snapshot]:
    """Return the safety snapshots of the disk of that name."""
    rows = pretend.client.snapshots(volume_id=pretend.named(name))
    return [s for s in rows if s.policy == "before-restore"]


def changes(requests: Callable[[str], list[str]], stderr: str) -> list[str]:
    """Return what was asked for other than reads."""
    return [r for r in requests(stderr) if not r.startswith("GET")]


# -- a new disk ------------------------------------------------------------------------------


def test_a_new_disk_has_the_zone_type_and_size_of_the_snapshots(run: Run, pretend: Pretend) -> None:
    record = run(f"--sandbox restore {NEWER} --as copy -f json").json
    (item,) = record["items"]
    assert (record["summary"], item["action"]) == ({"restored": 1}, "restored")
    assert item["snapshot"]["id"] == NEWER
    made = pretend.client.volume(item["volume"]["id"])
    assert (made.status, made.name, made.snapshot_id) == ("available", "copy", NEWER)
    source = pretend.client.volume(pretend.named("data-02"))
    assert (made.volume_type, made.availability_zone, made.size) == (
        source.volume_type,
        source.availability_zone,
        source.size,
    )


def test_stdout_is_the_disks_id_and_stderr_says_how_to_attach_it(
    run: Run, pretend: Pretend
) -> None:
    result = run("--sandbox restore before-upgrade --as copy -f value -c ID")
    assert result.stdout == f"{pretend.named('copy')}\n"
    assert f"openstack server add volume SERVER {pretend.named('copy')}" in result.stderr
    assert "same UUID" in result.stderr
    assert run("--sandbox -q restore before-upgrade --as copy-2").stderr == ""


def test_it_may_be_larger_and_carry_metadata(run: Run, pretend: Pretend) -> None:
    run(f"--sandbox restore {NEWER} --as copy --size 120 --property owner=me")
    made = pretend.client.volume(pretend.named("copy"))
    assert (made.size, made.metadata["owner"]) == (120, "me")


def test_too_small_a_size_is_a_usage_error_and_nothing_is_sent(
    run: Run, requests: Callable[[str], list[str]]
) -> None:
    refused = run(f"-v --sandbox restore {NEWER} --as copy --size 99", exit_code=2)
    assert changes(requests, refused.stderr) == []


def test_without_waiting_it_is_left_to_be_made(run: Run, pretend: Pretend) -> None:
    (item,) = run(f"--sandbox restore {NEWER} --as copy --no-wait -f json").json["items"]
    assert (item["action"], item["volume"]["status"]) == ("restored", "creating")
    assert pretend.named("copy") == item["volume"]["id"]


def test_asked_for_again_it_is_the_same_disk(run: Run, pretend: Pretend) -> None:
    first = run(f"--sandbox restore {NEWER} --as copy -f value -c ID").stdout
    again = run(f"--sandbox restore {NEWER} --as copy -f value -c ID -c Action").stdout
    assert again == f"{first.strip()}\treused\n"
    assert len(pretend.client.volumes(name="copy")) == 1


def test_a_time_out_leaves_it_in_progress_and_tells_its_id(run: Run, pretend: Pretend) -> None:
    late = run(f"--sandbox restore {NEWER} --as copy --timeout 1s -f json", exit_code=7)
    (item,) = late.json["items"]
    assert (item["volume"]["id"], item["volume"]["status"]) == (pretend.named("copy"), "creating")


@pytest.mark.parametrize("name", ["data-01", "shared-name"])
def test_a_name_that_a_disk_has_already_is_exit_five_and_nothing_is_sent(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]], name: str
) -> None:
    refused = run(f"-v --sandbox restore {NEWER} --as {name}", exit_code=5)
    assert all(v.id in refused.stderr for v in pretend.client.volumes(name=name))
    assert changes(requests, refused.stderr) == []


@pytest.mark.parametrize("how", ["--as copy", "--in-place -y"])
@pytest.mark.parametrize("name", [NOBODY, "nobody", "..", "detail", "x/y"])
def test_an_unknown_snapshot_is_exit_five_and_nothing_is_sent(
    run: Run, requests: Callable[[str], list[str]], name: str, how: str
) -> None:
    refused = run(f"-v --sandbox restore {name} {how} -f json", exit_code=5)
    assert name in refused.json["error"]["message"]
    assert changes(requests, refused.stderr) == []


@pytest.mark.parametrize("how", ["--as copy", "--in-place -y"])
def test_a_name_that_two_snapshots_have_is_exit_five_with_their_ids(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]], how: str
) -> None:
    ids = [pretend.snapshot(pretend.named(disk), "both") for disk in ("data-01", "data-02")]
    refused = run(f"-v --sandbox restore both {how}", exit_code=5)
    assert all(id_ in refused.stderr for id_ in ids)
    assert changes(requests, refused.stderr) == []


@pytest.mark.parametrize("how", ["--as copy", "--in-place -y"])
def test_a_backup_services_snapshot_is_refused(
    run: Run, requests: Callable[[str], list[str]], how: str
) -> None:
    refused = run(f"-v --sandbox restore {BACKUP} {how}", exit_code=2)
    assert "CBR" in refused.stderr
    assert changes(requests, refused.stderr) == []


@pytest.mark.parametrize("how", ["--as copy", "--in-place -y"])
def test_a_disk_that_another_run_works_on_is_exit_eleven(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]], how: str
) -> None:
    evs = pretend.client
    locks = DiskLocks(
        state_folder(os.environ) / "locks",
        project_id=lambda: evs.project.id,
        wait=0,
        clock=evs.clock,
    )
    with locks.held({pretend.named("data-02"): "data-02"}):
        refused = run(f"-v --sandbox restore {NEWER} {how} -f json", exit_code=11)
    assert changes(requests, refused.stderr) == []
    assert refused.json["items"][0]["action"] == "refused"


@pytest.mark.parametrize(
    "how",
    [
        "",
        "--as copy --in-place",
        "--in-place -y --size 3",
        "--in-place -y --property a=b",
        "--in-place -y --no-wait",
        "--as copy --no-safety-snapshot",
        "--as copy --size 0",
        "--as copy --timeout soon",
    ],
)
def test_what_does_not_go_together_is_a_usage_error(run: Run, how: str) -> None:
    assert run(f"--sandbox restore {NEWER} {how}", exit_code=2).stdout == ""


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (f"{NEWER} --as copy", "a new disk copy of 100 GiB"),
        (f"{NEWER} --in-place", "safety snapshot data-02-before-restore-"),
        (f"{OF_FULL} --in-place", "it would ask whether to go on without one"),
    ],
)
def test_a_dry_run_says_what_would_be_done_and_sends_nothing(
    run: Run, requests: Callable[[str], list[str]], how: str, told: str
) -> None:
    """found: on a full disk it was "refused", exit 6, where the run would have asked."""
    planned = run(f"-v --sandbox restore {how} --dry-run -f json")
    (item,) = planned.json["items"]
    assert item["action"] == "would-restore"
    assert told in str(item["reasons"])
    assert changes(requests, planned.stderr) == []


def test_the_clouds_limit_holds_for_the_safety_snapshot_and_the_metrics_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """found: EVS_SNAP_LIMIT held for `create`; elsewhere a disk had 7 slots."""
    monkeypatch.setenv("EVS_SNAP_LIMIT", "2")
    refused = run(f"--sandbox restore {NEWER} --in-place -y", exit_code=6)
    assert "2 of 2" in refused.stderr
    run(f"--sandbox prune data-02 --keep-last 1 -y --metrics {tmp_path}/evs.prom")
    assert re.search("slots_limit{.*data-02.*} 2", (tmp_path / "evs.prom").read_text("utf-8"))


def test_no_rule_reaches_the_safety_snapshot(
    run: Run, requests: Callable[[str], list[str]]
) -> None:
    """found: a rotation of the label before-restore took it."""
    for line in (
        "rotate data-02 --keep-last 1",
        "prune data-02 --keep-last 1 -y",
        "create data-02 --on-limit replace",
    ):
        refused = run(f"-v --sandbox {line} --policy before-restore", exit_code=2)
        assert "no rule" in refused.stderr
        assert requests(refused.stderr) == []


# -- the disk itself -------------------------------------------------------------------------


def test_in_place_the_disk_is_rolled_back_after_a_safety_snapshot(
    run: Run, pretend: Pretend
) -> None:
    (item,) = run(f"--sandbox restore {NEWER} --in-place -y -f json").json["items"]
    assert (item["action"], item["volume"]["status"]) == ("restored", "available")
    assert item["volume"]["id"] == pretend.named("data-02")
    (safety,) = safety_of(pretend, "data-02")
    assert safety.id in " ".join(item["reasons"])


def test_to_an_older_snapshot_too_as_evs_allows(run: Run, pretend: Pretend) -> None:
    rows = pretend.client.snapshots(volume_id=pretend.named("data-02"))
    older = min(rows, key=lambda s: s.age_key)
    run(f"--sandbox restore {older.id} --in-place -y --no-safety-snapshot")
    assert safety_of(pretend, "data-02") == []


def test_off_a_terminal_y_is_needed(run: Run, requests: Callable[[str], list[str]]) -> None:
    refused = run(f"-v --sandbox restore {NEWER} --in-place", exit_code=2)
    assert "-y" in refused.stderr
    assert requests(refused.stderr) == []


def test_an_attached_disk_is_refused_with_the_way_to_detach_it(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]]
) -> None:
    refused = run(f"-v --sandbox restore {OF_ATTACHED} --in-place -y", exit_code=1)
    detach = f"openstack server remove volume {SERVER} {pretend.named('db-data')}"
    assert detach in refused.stderr
    assert changes(requests, refused.stderr) == []


def test_a_full_disk_is_refused_unless_no_safety_snapshot_is_wanted(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]]
) -> None:
    refused = run(f"-v --sandbox restore {OF_FULL} --in-place -y", exit_code=6)
    assert "--no-safety-snapshot" in refused.stderr
    assert changes(requests, refused.stderr) == []
    run(f"--sandbox restore {OF_FULL} --in-place -y --no-safety-snapshot")
    assert safety_of(pretend, "full-01") == []


def test_at_a_terminal_it_shows_what_will_be_lost_and_asks_for_the_disks_name(
    run: Run, pretend: Pretend, terminal: Callable[[str], None]
) -> None:
    terminal("data-02\n")
    result = run(f"--sandbox restore {NEWER} --in-place")
    for shown in (
        pretend.named("data-02"),
        "available",
        NEWER,
        " ago",
        "lost",
        "is taken first",
    ):
        assert shown in result.stderr
    assert len(safety_of(pretend, "data-02")) == 1


@pytest.mark.parametrize("answer", ["data-01", "y", "yes", "DATA-02"])
def test_any_other_answer_is_no_consent(
    run: Run, pretend: Pretend, terminal: Callable[[str], None], answer: str
) -> None:
    terminal(f"{answer}\n")
    refused = run(f"--sandbox restore {NEWER} --in-place -f json", exit_code=1)
    assert refused.json["items"][0]["action"] == "refused"
    assert safety_of(pretend, "data-02") == []


def test_a_disk_without_a_name_is_confirmed_by_its_id(
    run: Run, pretend: Pretend, terminal: Callable[[str], None]
) -> None:
    disk = pretend.disk(None)
    snapshot = pretend.snapshot(disk, "s")
    terminal(f"{disk}\n")
    run(f"--sandbox restore {snapshot} --in-place")


@pytest.mark.parametrize(("answers", "code"), [("y\nfull-01\n", 0), ("n\n", 1), ("y\nx\n", 1)])
def test_where_no_slot_is_free_it_asks_once_more(
    run: Run, terminal: Callable[[str], None], answers: str, code: int
) -> None:
    terminal(answers)
    result = run(f"--sandbox restore {OF_FULL} --in-place", exit_code=code)
    assert "no safety snapshot can be taken" in result.stderr
    assert "Go on without a safety snapshot?" in result.stderr


def test_names_in_the_question_cannot_move_the_cursor(
    run: Run, pretend: Pretend, terminal: Callable[[str], None]
) -> None:
    disk = pretend.disk("\x1b[7mred")
    snapshot = pretend.snapshot(disk, "\x1b[2Js")
    terminal("no\n")
    assert "\x1b[7m" not in run(f"--sandbox restore {snapshot} --in-place", exit_code=1).stderr


# -- the library -----------------------------------------------------------------------------


def test_the_library_does_the_same(pretend: Pretend) -> None:
    record = restore(pretend.client, NEWER, as_name="copy")
    assert record.exit_code == 0
    assert [i.volume.name for i in record.items if i.volume] == ["copy"]
    assert restore(pretend.client, NEWER, in_place=True).summary == {"restored": 1}


def test_the_library_wants_one_of_the_two_ways(pretend: Pretend) -> None:
    with pytest.raises(ConfigurationError):
        restore(pretend.client, NEWER)
    with pytest.raises(ConfigurationError):
        restore(pretend.client, NEWER, as_name="copy", in_place=True)
