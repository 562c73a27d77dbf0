"""Run a command with a real Keystone and a real Cinder on loopback: ``cloud.py VENV COMMAND...``.

Both come from the package index, as `requirements.txt` pins them, into the virtual environment
VENV, which is made where it is missing and kept. They run as two plain processes over SQLite, in a
temporary folder and on free ports: no root, no container, no broker. The command sees the `OS_*`
variables of a member of the project `contract`; its exit code is this program's. Then all ends.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import httpx

HERE = Path(__file__).parent
PASSWORD = secrets.token_hex(16)
START_SECONDS = 180

KEYSTONE = """
[DEFAULT]
public_endpoint = http://127.0.0.1:{keystone}
[database]
connection = sqlite:///{root}/keystone.db?timeout=60
[fernet_tokens]
key_repository = {root}/fernet
[fernet_receipts]
key_repository = {root}/fernet
[credential]
key_repository = {root}/credential
[identity]
password_hash_rounds = 4
"""

CINDER = """
[DEFAULT]
host = ci
transport_url = fake://
state_path = {root}
api_paste_config = {venv}/etc/cinder/api-paste.ini
resource_query_filters_file = {venv}/etc/cinder/resource_filters.json
auth_strategy = keystone
enabled_backends = stub
default_volume_type = __DEFAULT__
quota_volumes = -1
quota_snapshots = -1
quota_gigabytes = -1
report_interval = 0
service_down_time = 86400
[stub]
volume_driver = stub_driver.StubDriver
volume_backend_name = stub
[database]
connection = sqlite:///{root}/cinder.db?timeout=60
[oslo_concurrency]
lock_path = {root}
[coordination]
backend_url = file://{root}
[keystone_authtoken]
auth_type = password
interface = public
auth_url = http://127.0.0.1:{keystone}/v3
www_authenticate_uri = http://127.0.0.1:{keystone}/v3
username = admin
password = {password}
project_name = admin
user_domain_name = Default
project_domain_name = Default
"""


class Cloud:
    """The two servers, their configuration in ``root``; a context that ends them."""

    def __init__(self, *, venv: Path, root: Path) -> None:
        self.venv, self.root = venv, root
        self.ports = dict(zip(("keystone", "cinder"), _free_ports(2), strict=True))
        self.auth_url = f"http://127.0.0.1:{self.ports['keystone']}/v3"
        self._open = ExitStack()
        self._env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("OS_")},
            "OS_CINDER_DISABLE_EVENTLET_PATCHING": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def __enter__(self) -> Self:
        with self._open:  # an error on the way up ends what has begun
            self._set_up()
            cinder, keystone = self._start("cinder"), self._start("keystone")
            self._wait("keystone", keystone)
            self._fill_keystone()
            self._wait("cinder", cinder)
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def exports(self) -> dict[str, str]:
        """Return what an openrc of the user `contract` would export, and where the files are."""
        return {
            "OS_AUTH_URL": self.auth_url,
            "OS_USERNAME": "contract",
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": "contract",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "ci",
            "REAL_CINDER_FOLDER": str(self.root),
        }

    def _set_up(self) -> None:
        pip = [str(self.venv / "bin/pip"), "install", "-q", "-r", str(HERE / "requirements.txt")]
        subprocess.run([sys.executable, "-m", "venv", str(self.venv)], check=True)
        subprocess.run(pip, check=True)
        words = {"root": self.root, "venv": self.venv, "password": PASSWORD, **self.ports}
        for role, template in (("keystone", KEYSTONE), ("cinder", CINDER)):
            (self.root / f"{role}.conf").write_text(template.format(**words), encoding="utf-8")
            with sqlite3.connect(self.root / f"{role}.db") as database:
                database.execute("PRAGMA journal_mode=WAL")  # readers do not wait for a writer
        self._manage("cinder", "db", "sync")
        user = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
        self._manage("keystone", "fernet_setup", *user)
        self._manage("keystone", "credential_setup", *user)
        self._manage("keystone", "db_sync")
        self._manage(
            "keystone",
            "bootstrap",
            f"--bootstrap-password={PASSWORD}",
            "--bootstrap-region-id=ci",
            f"--bootstrap-public-url={self.auth_url}",
        )

    def _manage(self, role: str, *words: str) -> None:
        """Run `keystone-manage` or `cinder-manage`."""
        tool, configuration = self.venv / f"bin/{role}-manage", self.root / f"{role}.conf"
        with (self.root / f"{role}.log").open("ab") as log:
            command = [str(tool), "--config-file", str(configuration), *words]
            subprocess.run(command, check=True, env=self._env, stdout=log, stderr=log)

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        command = [
            str(self.venv / "bin/python"),
            str(HERE / "serve.py"),
            role,
            str(self.ports[role]),
            str(self.root / f"{role}.conf"),
        ]
        with (self.root / f"{role}.log").open("ab") as log:
            process = subprocess.Popen(command, env=self._env, stdout=log, stderr=log)
        self._open.callback(process.wait)
        self._open.callback(process.kill)
        return process

    def _wait(self, role: str, process: subprocess.Popen[bytes]) -> None:
        for _ in range(START_SECONDS * 5):
            if process.poll() is not None:
                break
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{self.ports[role]}/", trust_env=False, timeout=30)
                return
            time.sleep(0.2)  # noqa: TID251  # a launcher waits for real
        log = (self.root / f"{role}.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"{role} did not start; the end of its log:\n{log[-3000:]}")

    def _fill_keystone(self) -> None:
        """Make the user and its project, and name Cinder in the catalog."""
        domain = {"id": "default"}
        admin = {"name": "admin", "password": PASSWORD, "domain": domain}
        signing_in = {
            "identity": {"methods": ["password"], "password": {"user": admin}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }
        with httpx.Client(base_url=self.auth_url, trust_env=False, timeout=60) as http:
            token = http.post("/auth/tokens", json={"auth": signing_in}).raise_for_status()
            http.headers["X-Auth-Token"] = token.headers["X-Subject-Token"]

            def make(kind: str, **what: str) -> Any:
                answer = http.post(f"/{kind}s", json={kind: what}).raise_for_status()
                return answer.json()[kind]["id"]

            project = make("project", name="contract", domain_id="default")
            user = make("user", name="contract", password=PASSWORD, domain_id="default")
            (member,) = http.get("/roles?name=member").raise_for_status().json()["roles"]
            role = f"/projects/{project}/users/{user}/roles/{member['id']}"
            http.put(role).raise_for_status()
            make(
                "endpoint",
                service_id=make("service", name="cinderv3", type="volumev3"),
                interface="public",
                region_id="ci",
                url=f"http://127.0.0.1:{self.ports['cinder']}/v3/%(project_id)s",
            )


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _main() -> int:
    venv, *command = sys.argv[1:]
    with (
        tempfile.TemporaryDirectory() as root,
        Cloud(venv=Path(venv).absolute(), root=Path(root)) as cloud,
    ):
        return subprocess.run(command, env={**os.environ, **cloud.exports}, check=False).returncode


if __name__ == "__main__":
    sys.exit(_main())
