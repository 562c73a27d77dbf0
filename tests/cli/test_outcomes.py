"""What `evs-snap create` comes to: exit codes, what is sent, what is said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _posts(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("POST")]


def test_the_id_comes_first_and_alone_where_asked(run: Run, pretend: Pretend) -> None:
    (id_,) = run("--sandbox create --volume data-01 -f value -c ID").stdout.split()
    assert UUID.fullmatch(id_)
    assert pretend.client.snapshot(id_).is_usable
    plain = run("--sandbox create --volume data-01").stdout.splitlines()[-1]
    assert UUID.fullmatch(plain.split()[0])


def test_a_dry_run_posts_nothing_and_says_what_it_would_do(
    run: Run, requests: Callable[[str], list[str]]
) -> None:
    dry = run("-v --sandbox create --match 'data-*' --dry-run -f json")
    assert _posts(requests(dry.stderr)) == []
    assert [item["action"] for item in dry.json["items"]] == ["would-create", "would-create"]
    assert all(item["name"].startswith("data-0") for item in dry.json["items"])
    assert run("--sandbox snapshots --match 'data-0[1]' -f json").json == []


def test_a_dry_run_fails_as_the_run_would(run: Run) -> None:
    run("--sandbox create --volume full-01 --dry-run", exit_code=6)
    run("--sandbox create --volume broken-01 --dry-run", exit_code=1)
    run("--sandbox create --volume nobody --dry-run", exit_code=5)


def test_no_wait_leaves_it_in_progress(run: Run, fake: FakeClock) -> None:
    record = run("--sandbox create --volume data-01 --no-wait -f json").json
    assert record["items"][0]["snapshot"]["status"] == "creating"
    assert record["items"][0]["action"] == "created"
    assert fake.slept == []


def test_a_wait_that_is_too_short_ends_in_seven_with_the_id(run: Run, pretend: Pretend) -> None:
    late = run("--sandbox create --volume data-01 --timeout 1s -f value -c ID", exit_code=7)
    snapshot_id = late.stdout.strip()
    assert pretend.client.snapshot(snapshot_id).id == snapshot_id
    assert snapshot_id in late.stderr


def test_a_snapshot_that_ends_in_error_is_exit_one_with_the_id(run: Run, pretend: Pretend) -> None:
    pretend.disk("this-will-fail")
    failed = run("--sandbox create --volume this-will-fail -f json", exit_code=1)
    (item,) = failed.json["items"]
    assert item["action"] == "failed"
    assert item["snapshot"]["id"] in item["error"]["message"]
    assert item["snapshot"]["id"] in failed.stderr


def test_a_disk_in_error_is_refused_unsent_with_its_status(
    run: Run, requests: Callable[[str], list[str]]
) -> None:
    refused = run("-v --sandbox create --volume broken-01", exit_code=1)
    assert "'error'" in refused.stderr
    assert _posts(requests(refused.stderr)) == []


def test_a_disk_in_use_needs_no_option(run: Run) -> None:
    record = run("--sandbox create --volume db-data -f json").json
    assert record["items"][0]["volume"]["status"] == "in-use"
    assert record["items"][0]["snapshot"]["status"] == "available"


def test_a_name_of_several_disks_is_exit_five_with_their_ids(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]]
) -> None:
    refused = run("-v --sandbox create --volume shared-name", exit_code=5)
    ids = {v.id for v in pretend.client.volumes(name="shared-name")}
    assert len(ids) == 2
    assert all(id_ in refused.stderr for id_ in ids)
    assert _posts(requests(refused.stderr)) == []


def test_match_takes_all_disks_of_a_shared_name_on_purpose(run: Run) -> None:
    assert len(run("--sandbox create --match shared-name -f value -c ID").ids) == 2


def test_an_unknown_name_is_exit_five_with_the_nearest_ones(run: Run) -> None:
    refused = run("--sandbox create --volume dta-01", exit_code=5)
    assert "data-01" in refused.stderr


def test_a_full_disk_is_exit_six_listing_who_holds_the_slots(
    run: Run, pretend: Pretend, requests: Callable[[str], list[str]]
) -> None:
    refused = run("-v --sandbox create --volume full-01", exit_code=6)
    holders = pretend.client.snapshots(volume_id=pretend.named("full-01"))
    assert len(holders) == 7
    assert all(s.id in refused.stderr for s in holders)
    assert "7 of 7" in refused.stderr
    assert _posts(requests(refused.stderr)) == []


def test_a_higher_limit_than_the_services_is_still_exit_six(run: Run) -> None:
    refused = run("--sandbox create --volume full-01 --limit 100", exit_code=6)
    assert "exceeded" in refused.stderr


def test_disks_of_which_some_fail_are_exit_three_and_the_rest_is_done(run: Run) -> None:
    partial = run("--sandbox create --volume data-01 --volume full-01 -f json", exit_code=3)
    assert [item["action"] for item in partial.json["items"]] == ["created", "refused"]
    assert partial.json["summary"]["created"] == 1
    assert partial.json["summary"]["refused"] == 1


def test_disks_that_fail_alike_give_that_code(run: Run, pretend: Pretend) -> None:
    full = pretend.disk("full-02")
    for number in range(7):
        pretend.snapshot(full, f"n{number}")
    run("--sandbox create --match 'full-*'", exit_code=6)
    run("--sandbox create --volume full-01 --volume broken-01", exit_code=3)


def test_the_record_has_the_keys_that_scripts_rely_on(run: Run) -> None:
    record: dict[str, Any] = run("--sandbox create --volume data-01 -f json").json
    assert {"schema", "command", "exit_code", "summary", "items"} <= set(record)
    assert (record["schema"], record["command"], record["exit_code"]) == (
        "evs-snap/1",
        "create",
        0,
    )
    (item,) = record["items"]
    assert {"volume", "action", "snapshot", "reasons", "request_id", "error"} <= set(item)
    assert item["error"] is None
    assert item["volume"]["name"] == "data-01"
    assert item["snapshot"]["volume_id"] == item["volume"]["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item["snapshot"]["created_at"])


def test_a_failure_in_the_record_says_what_why_and_what_to_do(run: Run) -> None:
    record = run("--sandbox create --volume full-01 -f json", exit_code=6).json
    (item,) = record["items"]
    assert record["exit_code"] == 6
    assert item["action"] == "refused"
    assert item["snapshot"] is None
    assert item["error"]["exit_code"] == 6
    assert item["error"]["message"]
    assert item["error"]["hint"]


def test_what_the_service_refuses_carries_its_request_id(run: Run) -> None:
    refused = run("--sandbox create --volume full-01 --limit 8 -f json", exit_code=6)
    (item,) = refused.json["items"]
    assert item["request_id"]
    assert item["request_id"] in refused.stderr


def test_properties_and_description_are_stored_beside_our_stamp(run: Run) -> None:
    record = run(
        "--sandbox create --volume data-01 --description 'vor dem Umzug' --property a=1 "
        "--property b=x=y --policy nightly -f json"
    ).json
    snapshot = record["items"][0]["snapshot"]
    assert snapshot["description"] == "vor dem Umzug"
    assert snapshot["metadata"]["a"] == "1"
    assert snapshot["metadata"]["b"] == "x=y"
    assert snapshot["metadata"]["evs_snap_policy"] == "nightly"
    assert UUID.fullmatch(snapshot["metadata"]["evs_snap_key"])
    assert snapshot["policy"] == "nightly"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{volume}-{utc}", "data-01-20261123T021700Z"),
        ("{volume}-{date}", "data-01-2026-11-23"),
        ("x {time} {policy}", "x 021700Z manual"),
        ("{{literal}}", "{literal}"),
        ("plain", "plain"),
    ],
)
def test_name_templates_are_filled_in(run: Run, template: str, name: str) -> None:
    record = run(f"--sandbox create --volume data-01 --no-wait --name '{template}' -f json").json
    assert record["items"][0]["snapshot"]["name"] == name


def test_the_volumes_part_of_a_long_name_is_cut_and_never_the_time(
    run: Run, pretend: Pretend
) -> None:
    pretend.disk("long-" + "x" * 250)
    record = run("--sandbox create --match 'long-*' --no-wait -f json").json
    name = record["items"][0]["snapshot"]["name"]
    assert len(name) <= 64
    assert re.fullmatch(r"long-x+-\d{8}T\d{6}Z", name)


def test_a_disk_without_a_name_lends_its_id(run: Run, pretend: Pretend) -> None:
    (unnamed,) = (v.id for v in pretend.client.volumes() if not v.name)
    record = run(f"--sandbox create --volume {unnamed} --no-wait -f json").json
    assert record["items"][0]["snapshot"]["name"].startswith(unnamed)


@pytest.mark.parametrize(
    "option",
    [
        "--name '{colour}'",
        "--name '{volume'",
        "--name '{volume!r}'",
        "--name '{volume.__class__}'",
        "--name ' '",
        f"--name {'x' * 65}",
        "--name autobk_snapshot_x",
        f"--description {'x' * 86}",
        "--property novalue",
        "--property =x",
        "--property evs_snap_key=x",
        "--property __system__enableActive=true",
        "--timeout 5",
        "--parallel 0",
        "--limit 0",
        "--format xml",
        "--no-such-option",
    ],
)
def test_a_wrong_option_is_exit_two_and_sends_no_post(
    run: Run, requests: Callable[[str], list[str]], option: str
) -> None:
    refused = run(f"-v --sandbox create --volume data-01 {option}", exit_code=2)
    assert _posts(requests(refused.stderr)) == []
    assert "Traceback" not in refused.stderr


def test_without_a_selection_create_asks_for_one(run: Run) -> None:
    refused = run("--sandbox create", exit_code=2)
    assert "--volume" in refused.stderr
    assert "--all" in refused.stderr


def test_a_snapshot_that_ended_in_error_is_shown_so(run: Run, pretend: Pretend) -> None:
    pretend.disk("this-will-fail")
    (item,) = run("--sandbox create --volume this-will-fail -f json", exit_code=1).json["items"]
    assert item["snapshot"]["status"] == "error"
