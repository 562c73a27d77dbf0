"""What a script would do with httpx and json alone, to measure ours against: ``bare.py list``.

``bare.py create N`` also takes a snapshot of the first N disks called ``batch-*``, 8 at a time;
``bare.py rotate N`` deletes then those that it took the last time. It waits for nothing.
All sign in as the ``OS_*`` variables say.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx


def _sign_in(http: httpx.Client) -> str:
    """Return the endpoint of Cinder; the client then sends the token."""
    env = os.environ
    user = {
        "name": env["OS_USERNAME"],
        "password": env["OS_PASSWORD"],
        "domain": {"name": env["OS_USER_DOMAIN_NAME"]},
    }
    domain = {"name": env["OS_PROJECT_DOMAIN_NAME"]}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": env["OS_PROJECT_NAME"], "domain": domain}},
    }
    answer = http.post(f"{env['OS_AUTH_URL']}/auth/tokens", json={"auth": auth}).raise_for_status()
    http.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    catalog = answer.json()["token"]["catalog"]
    (service,) = [one for one in catalog if one["type"] in {"volumev3", "block-storage"}]
    urls = [one["url"] for one in service["endpoints"] if one["interface"] == "public"]
    return str(urls[0])


def _rows(http: httpx.Client, endpoint: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        marker = f"&marker={rows[-1]['id']}" if rows else ""
        answer = http.get(f"{endpoint}/{key}/detail?limit=1000{marker}").raise_for_status()
        page = json.loads(answer.content)
        rows += page[key]
        if f"{key}_links" not in page:
            return rows


def _main() -> None:
    with httpx.Client(timeout=60, trust_env=False) as http, ThreadPoolExecutor(8) as pool:
        endpoint = _sign_in(http)
        both = ("volumes", "snapshots")
        volumes, snapshots = pool.map(lambda key: _rows(http, endpoint, key), both)
        if sys.argv[1] in {"create", "rotate"}:
            name = f"bare {sys.argv[1]}"
            chosen = [v for v in volumes if (v["name"] or "").startswith("batch-")]

            def take(volume: dict[str, Any]) -> None:
                body = {"snapshot": {"volume_id": volume["id"], "name": name, "force": True}}
                http.post(f"{endpoint}/snapshots", json=body).raise_for_status()

            def drop(snapshot: dict[str, Any]) -> None:
                http.delete(f"{endpoint}/snapshots/{snapshot['id']}").raise_for_status()

            list(pool.map(take, chosen[: int(sys.argv[2])]))
            if sys.argv[1] == "rotate":
                list(pool.map(drop, [s for s in snapshots if s["name"] == name]))


if __name__ == "__main__":
    _main()
