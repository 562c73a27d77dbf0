"""`evs-snap delete`: these snapshots and no others, and never a backup service's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from evs_snap.services.interface import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

OURS = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"
"""One of two of data-02 that carry our stamp, older than the other."""

OURS_TOO = "4414fdb8-62a0-447c-b759-5d14075cb92a"
FOREIGN = "168d5cca-cd43-4c46-a1a9-13a554a8bff7"
"""Of db-data, named before-upgrade."""

BACKUP = "c8f3cae2-9fc0-4e74-8cc3-89b20e2c3dcc"
NOBODY = "00000000-0000-4000-8000-000000000000"


def there(pretend: Pretend) -> set[str]:
    return {s.id for s in pretend.client.snapshots()}


def actions(record: dict[str, Any]) -> dict[str, str]:
    return {i["snapshot"]["id"]: i["action"] for i in record["items"]}


def test_by_id_it_is_deleted_and_seen_gone(run: Run, pretend: Pretend) -> None:
    before = there(pretend)
    record = run(f"--sandbox delete {OURS} -y -f json").json
    assert actions(record) == {OURS: "deleted"}
    assert record["items"][0]["snapshot"]["status"] == "deleted"
    assert there(pretend) == before - {OURS}


def test_the_disk_is_called_by_its_name(run: Run) -> None:
    """found: Volume was an ID although the disk has a name."""
    told = "-f value -c Volume -c 'Volume ID'"
    name, disk = run(f"--sandbox delete {OURS} -y --dry-run {told}").stdout.split()
    assert name == "data-02"
    lines = run(f"--sandbox delete {OURS} {FOREIGN} --foreign -y {told}").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["data-02", "db-data"]
    assert lines[0].split("\t")[1] == disk


def test_by_a_name_that_only_one_has(run: Run, pretend: Pretend) -> None:
    made = run(
        "--sandbox create --policy default --volume data-01 --name mine -f value -c ID"
    ).stdout.strip()
    assert actions(run("--sandbox delete mine -y -f json").json) == {made: "deleted"}
    assert made not in there(pretend)


def test_a_name_that_several_have_is_exit_five_with_their_ids(run: Run, pretend: Pretend) -> None:
    ids = [
        run(
            f"--sandbox create --policy default --volume {name} --name duplicate -f value -c ID"
        ).stdout.strip()
        for name in ("data-01", "data-02")
    ]
    before = there(pretend)
    refused = run(f"--sandbox delete {OURS} duplicate -y", exit_code=5)
    assert all(id_ in refused.stderr for id_ in ids)
    assert there(pretend) == before, "not even the clear one was deleted"


@pytest.mark.parametrize("name", [NOBODY, "nobody", "data-01", "..", "detail", "x/y"])
def test_what_is_unknown_is_exit_five_and_nothing_is_deleted(
    run: Run, pretend: Pretend, name: str
) -> None:
    before = there(pretend)
    refused = run(f"--sandbox delete {OURS} {name} -y -f json", exit_code=5)
    assert name in refused.json["error"]["message"]
    assert there(pretend) == before
    run(f"--sandbox delete {name} -y", exit_code=5)


def test_one_asked_for_twice_is_deleted_once(run: Run) -> None:
    made = run(
        "--sandbox create --policy default --volume data-01 --name mine -f value -c ID"
    ).stdout.strip()
    assert run(f"--sandbox delete mine {made} mine -y -f json").json["summary"] == {"deleted": 1}


def test_others_need_foreign(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]]
) -> None:
    refused = run(f"-v --sandbox delete {FOREIGN} -y -f json", exit_code=2)
    assert actions(refused.json) == {FOREIGN: "refused"}
    assert "--foreign" in refused.stderr
    assert all(line.startswith("GET") for line in requests(refused.stderr))
    assert FOREIGN in there(pretend)
    assert actions(run("--sandbox delete before-upgrade --foreign -y -f json").json) == {
        FOREIGN: "deleted"
    }
    assert FOREIGN not in there(pretend)


@pytest.mark.parametrize("foreign", ["", "--foreign"])
@pytest.mark.parametrize("name", ["autobk_snapshot_x", "manualbk_snapshot_x", None])
def test_the_backup_services_are_refused_always(
    run: Run,
    pretend: Pretend,
    requests: Callable[[str], list[str]],
    foreign: str,
    name: str | None,
) -> None:
    backup = pretend.snapshot(pretend.named("data-01"), name) if name else BACKUP
    refused = run(f"-v --sandbox delete {backup} {foreign} -y -f json", exit_code=2)
    assert actions(refused.json) == {backup: "refused"}
    assert "backup service" in refused.stderr
    assert all(line.startswith("GET") for line in requests(refused.stderr))
    assert backup in there(pretend)


def test_our_stamp_does_not_free_what_a_backup_service_flagged(run: Run, pretend: Pretend) -> None:
    flagged = pretend.client.create_snapshot(
        pretend.client.volume(pretend.named("data-01")),
        name="mine",
        properties={"__system__enableActive": "true"},
        stamp=Stamp("k"),
    ).snapshot.id
    pretend.fake.advance(9)
    run("--sandbox delete mine --foreign -y", exit_code=2)
    run("--sandbox rotate --volume data-01 --keep-last 1")
    run("--sandbox prune --volume data-01 --keep-within 1s -y")
    assert flagged in there(pretend)


def test_some_deleted_and_some_refused_is_three(run: Run, pretend: Pretend) -> None:
    record = run(f"--sandbox delete {OURS} {FOREIGN} {BACKUP} -y -f json", exit_code=3).json
    assert actions(record) == {OURS: "deleted", FOREIGN: "refused", BACKUP: "refused"}
    assert there(pretend) & {OURS, FOREIGN, BACKUP} == {FOREIGN, BACKUP}
    assert record["exit_code"] == 3


def test_where_nobody_can_be_asked_it_needs_a_yes(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]]
) -> None:
    refused = run(f"-v --sandbox delete {OURS}", exit_code=2)
    assert "-y" in refused.stderr
    assert requests(refused.stderr) == []
    assert OURS in there(pretend)


def test_without_a_name_it_is_a_usage_error(run: Run) -> None:
    run("--sandbox delete -y", exit_code=2)


def test_a_dry_run_changes_nothing_and_says_what_the_run_does(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]]
) -> None:
    before = there(pretend)
    dry = run(f"-v --sandbox delete {OURS} {OURS_TOO} --dry-run -f json")
    assert actions(dry.json) == {OURS: "would-delete", OURS_TOO: "would-delete"}
    assert all(line.startswith("GET") for line in requests(dry.stderr))
    assert there(pretend) == before
    real = run(f"--sandbox delete {OURS} {OURS_TOO} -y -f json")
    assert actions(real.json) == {OURS: "deleted", OURS_TOO: "deleted"}
    run(f"--sandbox delete {FOREIGN} --dry-run", exit_code=2)


def test_one_in_error_can_be_deleted(run: Run, pretend: Pretend) -> None:
    broken = "dc78f824-054b-4598-8d6a-c4292a1aeb71"
    run("--sandbox delete 'vor dem Umzug' --foreign -y")
    assert broken not in there(pretend)


def test_one_in_progress_is_refused_by_its_status(run: Run) -> None:
    made = run(
        "--sandbox create --policy default --volume data-01 --no-wait -f value -c ID"
    ).stdout.strip()
    refused = run(f"--sandbox delete {made} -y -f json", exit_code=1)
    assert actions(refused.json) == {made: "failed"}
    assert "'creating'" in refused.stderr


def test_a_deletion_that_ends_badly_is_exit_one_with_the_id(run: Run, fake: FakeClock) -> None:
    command = "--sandbox create --policy default --volume data-01 --name will-fail -f value -c ID"
    made = run(command).stdout.strip()
    fake.advance(9)
    failed = run("--sandbox delete will-fail -y -f json", exit_code=1)
    assert actions(failed.json) == {made: "failed"}
    assert "error_deleting" in failed.json["items"][0]["error"]["message"]
    assert made in failed.stderr
    stuck = run("--sandbox delete will-fail -y", exit_code=1)
    assert "stuck" in stuck.stderr


def test_what_was_deleted_meanwhile_is_unknown_the_next_time(run: Run) -> None:
    run(f"--sandbox delete {OURS} -y")
    run(f"--sandbox delete {OURS} -y", exit_code=5)
