"""`evs-snap pin` and `unpin`: out of every rule's reach, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Run

OLD, NEW = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad", "4414fdb8-62a0-447c-b759-5d14075cb92a"
"""The snapshots of data-02, both of policy default."""


def test_no_rule_reaches_a_pinned_snapshot_until_it_is_unpinned(run: Run) -> None:
    prune = "--sandbox prune data-02 --keep-last 1 -y -f json"
    (pinned,) = run(f"--sandbox pin {OLD} -f json").json["items"]
    assert (pinned["action"], pinned["snapshot"]["policy"]) == ("pinned", "pinned")
    assert pinned["snapshot"]["pinned_from"] == "default"
    assert pinned["reasons"] == ["policy was default"]
    spared = run(prune).json["items"]
    assert [(i["action"], i["reasons"]) for i in spared] == [
        ("kept", ["last 1"]),
        ("kept", ["pinned: holds a slot"]),
    ]
    assert (
        run(f"--sandbox pin {OLD} -f value -c Action -c Reason").stdout == "kept\tpinned already\n"
    )

    assert run(f"--sandbox unpin {OLD} -f value -c Action -c Reason").stdout == (
        "unpinned\tpolicy default\n"
    )
    assert run("--sandbox snapshots data-02 -f value -c Policy").stdout == "default\n" * 2
    gone = [i["snapshot"]["id"] for i in run(prune).json["items"] if i["action"] == "deleted"]
    assert gone == [OLD]


def test_a_full_disk_says_which_slots_are_pinned(run: Run) -> None:
    first = run("--sandbox snapshots full-01 --owned -f value -c ID").ids[0]
    run(f"--sandbox pin {first}")
    told = run("--sandbox create full-01", exit_code=6).stderr
    assert "1 of them pinned" in told
    assert "unpin ID" in told


@pytest.mark.parametrize("command", ["create", "rotate --keep-last 1", "prune -y --keep-last 1"])
def test_no_rule_can_be_given_the_policy_of_pinned_ones(run: Run, command: str) -> None:
    told = run(f"--sandbox {command} data-02 --policy pinned", exit_code=2).stderr
    assert "no rule reaches them" in told


def test_what_evs_snap_did_not_make_needs_no_pin(run: Run) -> None:
    (foreign,) = run("--sandbox snapshots full-01 -f json").json[1:2]
    assert foreign["policy"] is None
    told = run(f"--sandbox pin {foreign['id']}", exit_code=2).stderr
    assert "no rule ever deletes it" in told
