"""No secret in anything the program says or leaves behind, whatever the service says of it."""

from __future__ import annotations

import html
import json
import os
import shlex
import stat
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.front import for_signers
from tests.signature_check import KEYS, SECURITY_TOKEN, TEMPORARY

from evs_snap import cli
from evs_snap.sandbox import ACCOUNT
from evs_snap.sandbox.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.conftest import FakeClock, Result, Run
    from tests.front import Front

SNAPSHOT = "168d5cca-cd43-4c46-a1a9-13a554a8bff7"
COMMANDS = [  # on one disk each: what reads two lists side by side outlives a failure
    "volumes --volume data-01",
    "snapshots --volume data-01",
    "create --volume data-01",
    "rotate --volume data-02 --keep-last 3",
    "prune --volume data-02 --keep-last 1 -y",
    f"delete {SNAPSHOT} --foreign -y",
    "check --volume data-01 --max-age 1d --policy manual",
    "doctor --volume data-01",
]


# --- a service that repeats all it hears --------------------------------------------


@dataclass(frozen=True)
class Secrets:
    """What must not be seen."""

    password: str = "p4ss-s3cret"
    token: str = "t0ken-s3cret"
    granted: str = "granted-s3cret"
    secret_key: str = "sk-s3cret"
    security_token: str = "sectok-s3cret"
    metadata_token: str = "metatok-s3cret"

    @property
    def all(self) -> tuple[str, ...]:
        return (
            self.password, self.token, self.granted, self.secret_key, self.security_token,
            self.metadata_token,
        )  # fmt: skip


class Parrot:
    """Keystone, EVS and metadata address; repeats in every refusal all that it must not."""

    def __init__(self, fake: FakeClock) -> None:
        self.secrets = Secrets()
        self.kind = ""
        self.fake = fake
        self.status = 400
        self.shape: Callable[[str], bytes] = SHAPES["error"]
        self.grants = True
        self.url = ""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        heard = environ["wsgi.input"].read(length).decode()
        path = environ["PATH_INFO"]
        headers: list[tuple[str, str]] = []
        status = 200
        if path.endswith("/api/token"):
            body = self.secrets.metadata_token.encode()
        elif path.endswith("/securitykey") and self.grants:
            body = self._credential()
        elif path.endswith("/auth/tokens") and self.grants:
            status, body = 201, self._granted()
            headers = [("X-Subject-Token", self.secrets.granted)]
        else:
            sent = [v for k, v in environ.items() if k.startswith("HTTP_X_")]
            status = self.status
            body = self.shape(" ".join([*sent, *self._known(path), heard]))
        start_response(
            f"{status} {HTTPStatus(status).phrase}",
            [("Content-Length", str(len(body))), *headers],
        )
        return [body]

    def _known(self, path: str) -> tuple[str, ...]:
        """Return what the service knows at this point: it has not granted what it refuses."""
        if path.endswith("/securitykey"):
            return (self.secrets.metadata_token,)
        if path == "/v3":
            return ()  # nobody has shown anything yet
        known = self.secrets
        return {
            "password": (known.password,),
            "token": (known.token,),
            "application credential": (known.password,),
            "keys": (known.secret_key,),
        }.get(self.kind, (known.secret_key, known.security_token))

    def _credential(self) -> bytes:
        end = self.fake.moment + timedelta(hours=1)
        credential = {
            "access": "AK",
            "secret": self.secrets.secret_key,
            "securitytoken": self.secrets.security_token,
            "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        return json.dumps({"credential": credential}).encode()

    def _granted(self) -> bytes:
        endpoint = {"interface": "public", "region_id": "r", "url": self.url}
        end = self.fake.moment + timedelta(hours=24)
        token = {
            "project": {"id": "1" * 32},
            "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "catalog": [{"type": "volumev3", "endpoints": [endpoint]}],
            "echo": self.secrets.granted,
        }
        return json.dumps({"token": token}).encode()


def _in_json(text: str, *, ascii_only: bool) -> bytes:
    fault = {"error": {"code": "EVS.5400", "message": f"no: {text}", "seen": [text, quote(text)]}}
    return json.dumps(fault, ensure_ascii=ascii_only).encode()


SHAPES: dict[str, Callable[[str], bytes]] = {
    "error": lambda text: _in_json(text, ascii_only=True),
    "unicode": lambda text: _in_json(text, ascii_only=False),
    "gateway": lambda text: json.dumps(
        {"error_code": "APIGW.0301", "error_msg": text, "request_id": "r"}
    ).encode(),
    "text": lambda text: f"no: {text}".encode(),
    "html": lambda text: f"<html><h1>No</h1>{html.escape(text)}</html>".encode(),
    "list": lambda text: json.dumps([text, "volumes", text]).encode(),
    "good": lambda text: json.dumps({"volumes": text, "snapshots": text}).encode(),
    "url": lambda text: f"/?q={quote(text, safe='')}".encode(),
}

ENVIRONMENTS: dict[str, Callable[[Secrets], dict[str, str]]] = {
    "password": lambda s: {
        "OS_USERNAME": "cron",
        "OS_USER_DOMAIN_NAME": "D",
        "OS_PASSWORD": s.password,
    },
    "token": lambda s: {"OS_TOKEN": s.token},
    "application credential": lambda s: {
        "OS_APPLICATION_CREDENTIAL_ID": "a1",
        "OS_APPLICATION_CREDENTIAL_SECRET": s.password,
    },
    "keys": lambda s: {"OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": s.secret_key},
    "temporary": lambda s: {
        "OS_ACCESS_KEY": "AK",
        "OS_SECRET_KEY": s.secret_key,
        "OS_SECURITY_TOKEN": s.security_token,
    },
    "agency": lambda _: {"OS_AUTH_TYPE": "agency"},
}


GRANTS = {
    kind: (True,) if kind in {"keys", "temporary"} else (True, False) for kind in ENVIRONMENTS
}
"""Whether the service grants a sign-in: with keys there is none to grant."""


def forms(secret: str) -> set[str]:
    """Return what a secret may look like in what is shown."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        html.escape(secret),
        repr(secret)[1:-1],
    }


def assert_kept(said: str, secrets: Iterable[str]) -> None:
    for secret in secrets:
        for form in forms(secret):
            assert form not in said


def left_behind() -> dict[Path, str]:
    """Return all files below the working directory, which is home, cache, config and state."""
    files = (path for path in Path().absolute().rglob("*") if path.is_file())
    return {path: path.read_bytes().decode(errors="replace") for path in files}


@dataclass(frozen=True)
class Scene:
    """Runs commands against a parrot and looks at all that is left of it."""

    parrot: Parrot
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def sign_in(self, kind: str) -> None:
        self.parrot.kind = kind
        rest = {
            "OS_AUTH_URL": self.parrot.url,
            "OS_VOLUME_ENDPOINT_OVERRIDE": self.parrot.url,
            "OS_PROJECT_ID": "1" * 32,
            "OS_REGION_NAME": "r",
            "OS_INSECURE": "1",
            "EVS_SNAP_METADATA_URL": self.parrot.url,
        }
        for name, value in {**rest, **ENVIRONMENTS[kind](self.parrot.secrets)}.items():
            self.monkeypatch.setenv(name, value)

    def try_out(self, line: str) -> None:
        code = cli.run(shlex.split(line), clock=self.parrot.fake.clock)
        said = "".join(self.capsys.readouterr())
        assert code in {1, 2, 3, 4, 5, 6}
        assert_kept(said, self.parrot.secrets.all)
        self.look_around()

    def look_around(self) -> None:
        secrets = self.parrot.secrets
        for path, content in left_behind().items():
            kept = set(secrets.all)
            if path.parent.name == "tokens":
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                kept.remove(secrets.granted)
            assert_kept(content, kept)


@pytest.fixture(name="scene")
def _scene(
    fake: FakeClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Scene]:
    parrot = Parrot(fake)
    with serving(parrot) as port:
        parrot.url = f"http://127.0.0.1:{port}"
        yield Scene(parrot, monkeypatch, capsys)


ODD = [
    Secrets(password="quo\"te\\back's", token="t\"o'k\\en{}", granted="g%41\"r'a<&>nted"),
    Secrets(password="größe-数据-😀", secret_key="schlüssel-数据", security_token="a+b/c=="),
    Secrets(password="100%-%20-%s-{}", secret_key="%41%42&x=y", security_token="%25%41+&=x"),
    Secrets(password='{"json": [1]}', secret_key='"},{"sk":"', security_token='"}]{["x"]'),
    Secrets(password=" blanks around ", secret_key=" s k s ", metadata_token="m\"e'ta"),
    Secrets(password="<b>&amp;</b>", secret_key="&lt;sk&gt;", granted="&#65;<t>"),
]


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_no_command_tells_a_secret_that_the_service_repeats(scene: Scene, kind: str) -> None:
    scene.sign_in(kind)
    for line in COMMANDS:
        scene.try_out(f"-vv {line}")


@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("status", [200, 401, 500])
def test_nor_in_whatever_shape_it_repeats_it(scene: Scene, kind: str, status: int) -> None:
    scene.parrot.status = status
    scene.sign_in(kind)
    for shape in SHAPES.values():
        scene.parrot.shape = shape
        for grants in GRANTS[kind]:
            scene.parrot.grants = grants
            scene.try_out("-vv create --volume data-01")
    scene.try_out("-f json doctor --volume data-01")


@pytest.mark.parametrize("secrets", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_nor_one_that_is_odd(scene: Scene, kind: str, secrets: Secrets) -> None:
    scene.parrot.secrets = secrets
    scene.sign_in(kind)
    for shape in ("error", "unicode", "text", "gateway"):
        scene.parrot.shape = SHAPES[shape]
        for grants in GRANTS[kind]:
            scene.parrot.grants = grants
            scene.try_out("-vv create --volume data-01")


@pytest.mark.parametrize("kind", ["password", "keys"])
def test_a_very_short_secret_is_hidden_where_it_is_sent(scene: Scene, kind: str) -> None:
    """In a text it is not: that would blank out half of the text."""
    scene.parrot.secrets = Secrets(password="§q", secret_key="§k")
    scene.parrot.shape = lambda _: b"no"
    scene.sign_in(kind)
    scene.try_out("-vv create --volume data-01")


@pytest.mark.parametrize(("kind", "name"), [("password", "OS_PASSWORD"), ("keys", "OS_SECRET_KEY")])
def test_a_line_break_is_refused_without_being_told(
    scene: Scene, run: Run, kind: str, name: str
) -> None:
    scene.sign_in(kind)
    scene.monkeypatch.setenv(name, "odd-s3cret\n")
    told = run("-vv volumes", exit_code=2).stderr
    assert "s3cret" not in told
    assert name in told


# --- a service that is well ---------------------------------------------------------

WELL: dict[str, dict[str, str]] = {
    "password": {
        "OS_USERNAME": ACCOUNT.user_name,
        "OS_PASSWORD": ACCOUNT.password,
        "OS_USER_DOMAIN_NAME": ACCOUNT.domain_name,
    },
    "keys": {"OS_ACCESS_KEY": KEYS.access_key, "OS_SECRET_KEY": KEYS.secret_key},
    "temporary": {
        "OS_ACCESS_KEY": TEMPORARY.access_key,
        "OS_SECRET_KEY": TEMPORARY.secret_key,
        "OS_SECURITY_TOKEN": SECURITY_TOKEN,
    },
    "agency": {"OS_AUTH_TYPE": "agency"},
}


@pytest.fixture(name="served")
def _served(front: Front, monkeypatch: pytest.MonkeyPatch) -> Front:
    for name, value in for_signers(front, EVS_SNAP_METADATA_URL=front.url).items():
        monkeypatch.setenv(name, value)
    return front


@pytest.mark.parametrize("kind", WELL)
def test_no_command_that_goes_well_tells_a_secret(
    run: Run, served: Front, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for name, value in WELL[kind].items():
        monkeypatch.setenv(name, value)
    results: list[Result] = [run(f"-vv {line}") for line in COMMANDS]
    said = "".join(result.stdout + result.stderr for result in results)
    own = [v for k, v in WELL[kind].items() if k in {"OS_SECRET_KEY", "OS_SECURITY_TOKEN"}]
    secrets = {*own, TEMPORARY.secret_key, SECURITY_TOKEN, *served.granted}
    assert bool(served.granted) is (kind == "password")
    assert_kept(said, secrets)
    assert KEYS.access_key not in "".join(result.stdout for result in results)
    if kind == "password":
        assert '"password": "***"' in said
    else:
        assert "> authorization: ***" in said
    for path, content in left_behind().items():
        in_cache = path.parent.name == "tokens"
        assert not in_cache or stat.S_IMODE(path.stat().st_mode) == 0o600
        assert_kept(content, secrets - (set(served.granted) if in_cache else set()))
    assert any(path.parent.name == "tokens" for path in left_behind()) is (kind == "password")


@pytest.mark.parametrize("kind", ["password", "keys"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_is_used_for_this_machine(
    *,
    run: Run,
    served: Front,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    variable: str,
    host: str,
) -> None:
    """found: a proxy of the environment got the password, which is sent to loopback by http."""
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    for name in ("OS_AUTH_URL", "OS_VOLUME_ENDPOINT_OVERRIDE"):
        monkeypatch.setenv(name, os.environ[name].replace("127.0.0.1", host))
    for name, value in WELL[kind].items():
        monkeypatch.setenv(name, value)
    assert "data-01" in run("volumes").stdout
    assert bool(served.granted) is (kind == "password")
