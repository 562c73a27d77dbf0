"""Which cloud is meant, and what the environment says about options."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evs_snap.sandbox import Sandbox
from evs_snap.sandbox.server import serving
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import FakeClock, Run

PASSWORD = "a-password-nobody-has"


@pytest.fixture(name="named")
def _named(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Give a function that names a cloud by OS_* variables."""

    def named(auth_url: str, password: str) -> None:
        monkeypatch.setenv("OS_AUTH_URL", auth_url)
        monkeypatch.setenv("OS_USERNAME", "demo")
        monkeypatch.setenv("OS_PASSWORD", password)
        monkeypatch.setenv("OS_USER_DOMAIN_NAME", "Default")
        monkeypatch.setenv("OS_PROJECT_NAME", "demo")
        monkeypatch.setenv("OS_REGION_NAME", "sandbox-1")

    return named


@pytest.fixture(name="port")
def _port(fake: FakeClock) -> Iterator[int]:
    """Serve the very sandbox that --sandbox uses over HTTP."""
    with serving(Sandbox(state_folder(os.environ) / "sandbox.db", now=fake.clock.now)) as port:
        yield port


@pytest.mark.parametrize("command", ["volumes", "snapshots", "create --all"])
def test_with_nothing_configured_the_ways_on_are_named(run: Run, command: str) -> None:
    refused = run(command, exit_code=2)
    assert refused.stdout == ""
    for way in ("--sandbox", "OS_AUTH_URL", "clouds.yaml", "--os-cloud"):
        assert way in refused.stderr


def test_a_cloud_that_no_file_knows_is_exit_two(run: Run) -> None:
    assert "'nowhere'" in run("--os-cloud nowhere volumes", exit_code=2).stderr


@pytest.mark.parametrize("command", ["volumes", "volumes -c ID", "create --match 'x*'"])
def test_a_host_that_does_not_answer_is_exit_one(
    run: Run, named: Callable[[str, str], None], command: str
) -> None:
    named("http://127.0.0.1:1", PASSWORD)
    refused = run(command, exit_code=1)
    assert "127.0.0.1:1" in refused.stderr
    assert "hint:" in refused.stderr
    assert refused.stdout == ""


def test_a_wrong_password_is_exit_four_and_tried_once(
    run: Run, named: Callable[[str, str], None], port: int
) -> None:
    named(f"http://127.0.0.1:{port}/identity", PASSWORD)
    refused = run("-v create --match 'x*'", exit_code=4)
    assert refused.stderr.count("/auth/tokens -> 401") == 1


def test_no_secret_is_ever_told(run: Run, named: Callable[[str, str], None], port: int) -> None:
    named(f"http://127.0.0.1:{port}/identity", PASSWORD)
    refused = run("-vv volumes", exit_code=4)
    assert PASSWORD not in refused.stderr + refused.stdout
    assert '"password"' in refused.stderr

    named(f"http://127.0.0.1:{port}/identity", "demo")
    told = run("-vv create --volume data-01")
    assert "gAAAAAB" not in told.stderr + told.stdout, "what every token begins with"
    assert "x-auth-token: ***" in told.stderr.lower()


def test_the_same_sandbox_is_there_with_and_without_a_port(
    run: Run, named: Callable[[str, str], None], port: int
) -> None:
    named(f"http://127.0.0.1:{port}/identity/v3", "demo")
    made = run("create --volume data-01 -f value -c ID").stdout.strip()
    assert run("--sandbox snapshots --volume data-01 -f value -c ID").stdout.strip() == made


def test_the_limit_of_a_cloud_is_that_of_clouds_yaml_and_unknown_keys_are_told_once(
    run: Run, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: nothing noticed when the limit in clouds.yaml was ignored, or spelled wrongly."""
    cloud = {
        "auth": {
            "auth_url": f"http://127.0.0.1:{port}/identity",
            "username": "demo",
            "password": "demo",
            "user_domain_name": "Default",
            "project_name": "demo",
        },
        "region_name": "sandbox-1",
        "verify": False,
        "evs_snap": {"limit": 2, "limt": 3},
    }
    Path("clouds.yaml").write_text(json.dumps({"clouds": {"x": cloud}}), encoding="utf-8")
    monkeypatch.setenv("OS_CLOUD", "x")
    shown = run("volumes --volume data-02 -f value -c Snapshots")
    assert shown.stdout == "2/2\n"
    assert shown.stderr.count("warning: clouds.yaml: x: not known and left out: evs_snap.limt") == 1
    assert run("-q volumes -c ID").stderr == ""
    run("create --volume data-02", exit_code=6)
    run("create --volume data-02 --limit 3")


def test_an_option_of_a_command_is_read_from_its_own_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_CREATE_LIMIT", "2")
    run("--sandbox create --volume data-02", exit_code=6)
    assert run("--sandbox volumes --volume data-02 -f value -c Snapshots").stdout == "2/7\n"


def test_shared_variables_hold_for_all_commands_and_own_ones_win(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_LIMIT", "2")
    run("--sandbox create --volume data-02 --dry-run", exit_code=6)
    assert run("--sandbox volumes --volume data-02 -f value -c Snapshots").stdout == "2/2\n"
    monkeypatch.setenv("EVS_SNAP_CREATE_LIMIT", "5")
    run("--sandbox create --volume data-02 --dry-run")


def test_an_option_wins_over_variables(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVS_SNAP_LIMIT", "1")
    monkeypatch.setenv("EVS_SNAP_CREATE_LIMIT", "2")
    run("--sandbox create --volume data-02 --limit 3 --dry-run")


def test_global_options_are_read_from_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_SANDBOX", "1")
    monkeypatch.setenv("EVS_SNAP_FORMAT", "json")
    assert len(run("volumes").json) == 10


def test_an_alias_reads_the_variables_of_its_command(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_VOLUMES_LIMIT", "3")
    assert run("--sandbox disks --volume data-02 -f value -c Snapshots").stdout == "2/3\n"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("EVS_SNAP_TIMEOUT", "soon"), ("EVS_SNAP_LIMIT", "many"), ("EVS_SNAP_CREATE_PARALLEL", "0")],
)
def test_a_wrong_value_in_a_variable_is_a_usage_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    run("--sandbox create --volume data-01", exit_code=2)


@pytest.mark.parametrize(
    "line",
    ["frobnicate", "--no-such-option", "sandbox frobnicate", "create -f", "completion ksh"],
)
def test_a_wrong_command_line_is_exit_two_and_prints_nothing_on_stdout(run: Run, line: str) -> None:
    refused = run(line, exit_code=2)
    assert refused.stdout == ""
    assert refused.stderr


@pytest.mark.parametrize("line", ["--help", "-h", "volumes --help", "create -h", "--version"])
def test_help_and_version_go_to_stdout(run: Run, line: str) -> None:
    shown = run(line)
    assert shown.stdout
    assert shown.stderr == ""


def test_every_command_is_listed_with_a_sentence_and_has_help(run: Run) -> None:
    listed = run("--help").stdout.partition("Commands:")[2].partition("Global options:")[0]
    commands = [line.split(maxsplit=1) for line in listed.splitlines() if line.strip()]
    names = {words[0] for words in commands if len(words) > 1}
    assert {"volumes", "snapshots", "create", "sandbox"} <= names
    for name in names:
        assert "Global options:" in run(f"{name} --help").stdout
