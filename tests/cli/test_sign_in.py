"""Every way to sign in, at a sandbox that checks each signature, through the whole program."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.front import by_agency, by_password, for_signers
from tests.signature_check import KEYS, SECURITY_TOKEN, TEMPORARY

from evs_snap.sandbox import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIEnvironment

    from tests.conftest import FakeClock, Run
    from tests.front import Front

    Env = Callable[["Setting"], None]

Setting = dict[str, str]


@pytest.fixture(name="env")
def _env(monkeypatch: pytest.MonkeyPatch) -> Env:
    """Give a function that sets variables."""

    def env(variables: Setting) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return env


def keys_of(names: str, values: tuple[str, ...]) -> Setting:
    return dict(zip(names.split(), values, strict=True))


# --- each way -----------------------------------------------------------------------

VARIABLES = [
    "OS_ACCESS_KEY OS_SECRET_KEY",
    "HUAWEICLOUD_SDK_AK HUAWEICLOUD_SDK_SK",
    "HW_ACCESS_KEY HW_SECRET_KEY",
]
TOKENS = ["OS_SECURITY_TOKEN", "HUAWEICLOUD_SDK_SECURITY_TOKEN", "HW_SECURITY_TOKEN"]


def try_out(run: Run, front: Front, told: str, *, look_ups: int = 1) -> None:
    """List and create, and see that it was done with signatures alone."""
    listed = run("-v volumes -f value -c Name")
    assert "data-01" in listed.stdout.splitlines()
    assert f"sign-in: {told}" in listed.stderr
    made = run("create --volume data-01 -f value -c ID").stdout.strip()
    assert made in run("snapshots --volume data-01 -f value -c ID").stdout.splitlines()
    asked = [line for line in front.asked if "/projects" in line]
    assert len(asked) == 3 * look_ups
    assert not any("/auth/tokens" in line for line in front.asked)
    cache = Path("cache")
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("names", "token"), [*zip(VARIABLES, TOKENS, strict=True)])
@pytest.mark.parametrize("keys", [KEYS, TEMPORARY], ids=["permanent", "temporary"])
def test_each_vendors_variables_open_the_cloud(
    *, run: Run, front: Front, env: Env, names: str, token: str, keys: tuple[str, str]
) -> None:
    more = {token: SECURITY_TOKEN} if keys is TEMPORARY else {}
    env(for_signers(front, **keys_of(names, keys), **more))
    try_out(run, front, f"AK/SK ({', '.join(sorted([*names.split(), *more]))})")


@pytest.mark.parametrize("names", ["ak sk", "access_key secret_key"])
def test_so_do_keys_at_the_top_level_of_a_cloud(
    run: Run, front: Front, env: Env, names: str
) -> None:
    env({"OS_CLOUD": "x"})
    cloud = {
        "auth": {"auth_url": f"{front.url}/v3", "project_name": ACCOUNT.project_name},
        "region_name": ACCOUNT.region,
        "volume_endpoint_override": f"{front.url}/volume/v3",
        **keys_of(names, KEYS),
    }
    Path("clouds.yaml").write_text(json.dumps({"clouds": {"x": cloud}}), encoding="utf-8")
    try_out(run, front, "AK/SK (clouds.yaml: x)")


def test_so_does_the_vendors_own_file(run: Run, front: Front, env: Env) -> None:
    env({"OS_REGION_NAME": ACCOUNT.region, "OS_VOLUME_ENDPOINT_OVERRIDE": front.url})
    path = Path(".huaweicloud/credentials")
    path.parent.mkdir()
    path.write_text(
        f"[basic]\nak = {KEYS[0]}\nsk = {KEYS[1]}\nproject_id = {ACCOUNT.project_id}\n",
        encoding="utf-8",
    )
    try_out(run, front, f"AK/SK ({path.absolute()})", look_ups=0)


def test_so_does_the_machines_own_agency(run: Run, front: Front, env: Env) -> None:
    env(by_agency(front))
    try_out(run, front, "ECS agency (EVS_SNAP_METADATA_URL, OS_AUTH_TYPE)")
    assert front.fetched == 3, "once a run"


# --- refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys", [(KEYS[0], "wrong-s3cret"), ("AKNOBODY", KEYS[1]), TEMPORARY], ids=str
)
@pytest.mark.parametrize(
    "command", ["volumes", "snapshots", "create --match data-*", "check --all --max-age 1d"]
)
def test_wrong_keys_are_sent_once(
    run: Run, front: Front, env: Env, command: str, keys: tuple[str, str]
) -> None:
    """Also by commands that read two lists side by side."""
    for project in ({}, {"OS_PROJECT_ID": ACCOUNT.project_id}):
        front.asked.clear()
        env(for_signers(front, **keys_of(VARIABLES[0], keys), **project))
        run(command, exit_code=3 if command.startswith("check") else 4)
        assert len(front.asked) == 1, front.asked


def test_a_wrong_password_is_sent_once(run: Run, front: Front, env: Env) -> None:
    env(by_password(front, OS_PASSWORD="wrong-s3cret"))
    run("create --match data-*", exit_code=4)
    assert front.asked == ["POST /identity/v3/auth/tokens"]


def test_temporary_keys_that_expired_are_told_so(run: Run, front: Front, env: Env) -> None:
    front.keys_end = front.fake.moment
    variables = keys_of(VARIABLES[0], TEMPORARY)
    env(for_signers(front, **variables, OS_SECURITY_TOKEN=SECURITY_TOKEN))
    assert "fetch new ones" in run("volumes", exit_code=4).stderr
    assert len(front.asked) == 1


@pytest.mark.parametrize(("name", "code"), [("demo", 0), ("nobodys", 2)])
def test_a_project_that_is_not_there_is_a_matter_of_configuration(
    run: Run, front: Front, env: Env, name: str, code: int
) -> None:
    env(for_signers(front, **keys_of(VARIABLES[0], KEYS)))
    told = run(f"--os-project-name {name} volumes", exit_code=code).stderr
    assert ("OS_PROJECT_ID" in told) is bool(code)


def test_a_project_of_somebody_else_is_refused(run: Run, front: Front, env: Env) -> None:
    env(for_signers(front, **keys_of(VARIABLES[0], KEYS), OS_PROJECT_ID="0" * 32))
    assert "Malformed request url" in run("volumes --volume data-01", exit_code=2).stderr


def test_without_a_metadata_address_the_way_on_is_told(run: Run, front: Front, env: Env) -> None:
    env(by_agency(front) | {"EVS_SNAP_METADATA_URL": "http://127.0.0.1:1"})
    told = run("volumes", exit_code=1).stderr
    assert "AK/SK" in told
    assert front.asked == []


# --- in the middle of a run ---------------------------------------------------------

DISKS = (
    "--volume data-01 --volume data-02 --volume db-data --volume backed-up --volume 数据盘-größe"
)
EVERY = f"create {DISKS} --parallel 8 --no-wait -f value -c ID"


def test_agency_keys_that_expire_in_the_middle_are_renewed_once(
    run: Run, front: Front, env: Env
) -> None:
    def refuse(environ: WSGIEnvironment) -> tuple[int, object] | None:
        expired = environ["REQUEST_METHOD"] == "POST" and front.fetched == 1
        return (400, {"error_code": "IAM.1108", "error_msg": "expired"}) if expired else None

    front.refuse = refuse
    env(by_agency(front))
    assert len(run(EVERY).ids) == 5
    assert front.fetched == 2


def test_a_token_that_expires_in_the_middle_is_renewed_once(
    run: Run, front: Front, env: Env
) -> None:
    tokens: set[str] = set()

    def refuse(environ: WSGIEnvironment) -> tuple[int, object] | None:
        token = environ.get("HTTP_X_AUTH_TOKEN")
        if token and (environ["REQUEST_METHOD"] == "GET" or token in tokens):
            tokens.add(token)
        expired = environ["REQUEST_METHOD"] == "POST" and token in tokens
        return (401, {"error": {"message": "expired"}}) if expired else None

    front.refuse = refuse
    env(by_password(front))
    assert len(run(EVERY).ids) == 5
    assert front.asked.count("POST /identity/v3/auth/tokens") == 2


def test_agency_keys_are_renewed_before_they_end(
    run: Run, front: Front, env: Env, fake: FakeClock
) -> None:
    def later(_: WSGIEnvironment) -> None:
        fake.advance(100)

    front.refuse, front.life = later, timedelta(minutes=12)
    env(by_agency(front))
    run("create --volume data-01")
    assert len(front.asked) > 4
    assert front.fetched >= 2


def test_a_request_that_is_sent_once_more_is_signed_once_more(
    run: Run, front: Front, env: Env
) -> None:
    dates: list[str] = []

    def refuse(environ: WSGIEnvironment) -> tuple[int, object] | None:
        dates.append(environ["HTTP_X_SDK_DATE"])
        return (503, None) if len(dates) < 3 else None

    front.refuse = refuse
    env(for_signers(front, **keys_of(VARIABLES[0], KEYS), OS_PROJECT_ID=ACCOUNT.project_id))
    run("volumes -c ID --volume data-01")
    assert dates[2] > dates[0], "the pauses are seconds long"


# --- which one ----------------------------------------------------------------------


def test_exactly_one_kind_results_and_is_named(run: Run, front: Front, env: Env) -> None:
    env(by_password(front))
    assert "sign-in: password (OS_PASSWORD, OS_USERNAME)\n" in run("-v volumes").stderr
    env({**keys_of(VARIABLES[0], KEYS), "OS_VOLUME_ENDPOINT_OVERRIDE": front.url})
    told = run("volumes", exit_code=2).stderr
    for word in ("several", "OS_PASSWORD", "OS_SECRET_KEY", "OS_AUTH_TYPE"):
        assert word in told
    env({"OS_AUTH_TYPE": "aksk"})
    assert "sign-in: AK/SK (OS_ACCESS_KEY, OS_SECRET_KEY)\n" in run("-v volumes").stderr
    env({"OS_AUTH_TYPE": "password"})
    assert "sign-in: password (OS_PASSWORD, OS_USERNAME)\n" in run("-v volumes").stderr


def cloud_of(front: Front, **more: object) -> None:
    """Write a clouds.yaml whose cloud ``x`` signs in by password."""
    cloud = {
        "auth": {
            "auth_url": f"{front.url}/identity",
            "username": ACCOUNT.user_name,
            "password": ACCOUNT.password,
            "user_domain_name": ACCOUNT.domain_name,
            "project_name": ACCOUNT.project_name,
        },
        "region_name": ACCOUNT.region,
        **more,
    }
    Path("clouds.yaml").write_text(json.dumps({"clouds": {"x": cloud}}), encoding="utf-8")


def test_the_cloud_named_on_the_command_line_gets_nothing_of_another(
    run: Run, front: Front, env: Env
) -> None:
    env({"OS_AUTH_URL": "http://127.0.0.1:1", "OS_TOKEN": "t0ken-s3cret"})
    env(keys_of(VARIABLES[0], KEYS))
    cloud_of(front)
    told = run("--os-cloud x -vv volumes").stderr
    assert "sign-in: password (clouds.yaml: x)\n" in told
    assert "127.0.0.1:1/" not in told
    env({"OS_CLOUD": "x"})
    run("volumes", exit_code=2)


def test_the_limit_of_a_cloud_is_that_of_clouds_yaml_and_unknown_keys_are_told_once(
    run: Run, front: Front, env: Env
) -> None:
    """found: nothing noticed when the limit in clouds.yaml was ignored, or spelled wrongly."""
    cloud_of(front, evs_snap={"limit": 2, "limt": 3})
    env({"OS_CLOUD": "x"})
    shown = run("volumes --volume data-02 -f value -c Snapshots")
    assert shown.stdout == "2/2\n"
    assert shown.stderr.count("warning: clouds.yaml: x: not known and left out: evs_snap.limt") == 1
    assert run("-q volumes -c ID").stderr == ""
    run("create --volume data-02", exit_code=6)
    run("create --volume data-02 --limit 3")
