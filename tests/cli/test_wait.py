"""`evs-snap wait`: until the snapshots named can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run


def test_what_create_did_not_wait_for_is_waited_for(run: Run, fake: FakeClock) -> None:
    (made,) = run("--sandbox create data-01 --no-wait -f value -c ID").ids
    (item,) = run(f"--sandbox wait {made} -f json").json["items"]
    assert (item["action"], item["snapshot"]["status"]) == ("ready", "available")
    assert item["volume"]["name"] == "data-01"
    assert fake.slept


def test_several_are_waited_for_together_by_name_or_id(run: Run) -> None:
    run("--sandbox create data-01 --no-wait --name one")
    (two,) = run("--sandbox create data-02 --no-wait -f value -c ID").ids
    record = run(f"--sandbox wait one {two[:8]} -f json").json
    assert record["summary"] == {"ready": 2}


def test_too_long_is_exit_seven_again(run: Run) -> None:
    (made,) = run("--sandbox create data-01 --no-wait -f value -c ID").ids
    late = run(f"--sandbox wait {made} --timeout 1s -f json", exit_code=7).json
    assert late["items"][0]["snapshot"]["status"] == "creating"
    assert "evs-snap wait" in late["items"][0]["error"]["hint"]


def test_one_that_ends_in_error_is_exit_one_and_beside_a_good_one_three(
    run: Run, pretend: Pretend
) -> None:
    pretend.disk("will-fail")
    (bad,) = run("--sandbox create will-fail --no-wait -f value -c ID").ids
    (good,) = run("--sandbox create data-01 --no-wait -f value -c ID").ids
    run(f"--sandbox wait {good} {bad}", exit_code=3)
    run(f"--sandbox wait {bad}", exit_code=1)


def test_it_changes_nothing_and_unknown_ones_are_exit_five(
    run: Run, requests: Callable[[str], list[str]]
) -> None:
    shown = run("-v --sandbox wait 9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad")
    assert {line.split()[0] for line in requests(shown.stderr)} == {"GET"}
    run("--sandbox wait nobody", exit_code=5)
    run("--sandbox wait", exit_code=2)
