"""Record what openstacksdk makes of clouds.yaml and the environment.

Run it where openstacksdk is installed, which the tests themselves do not need::

    python tests/tools/record_openstacksdk.py > tests/samples/settings/openstacksdk.json

It writes a list of cases: files and variables in, openstacksdk's answer (or its error) out.
Some are written by hand, most are drawn from fragments by a fixed seed.
"""

from __future__ import annotations

import json
import os
import random  # noqa: TID251 - with a fixed seed
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from openstack.config import OpenStackConfig  # type: ignore[import-not-found]  # see above

SEED, DRAWN = 17, 140
SERVICE = "block-storage"

AUTH = {
    "auth_url": "https://iam.example.com/v3",
    "username": "u",
    "password": "p",
    "project_name": "proj",
    "user_domain_name": "D",
    "project_domain_name": "PD",
}
OTHER = {
    "OS_AUTH_URL": "https://other.example.com/v3",
    "OS_USERNAME": "stranger",
    "OS_PASSWORD": "other",
    "OS_USER_DOMAIN_NAME": "other",
    "OS_PROJECT_NAME": "other",
    "OS_REGION_NAME": "r1",
    "OS_VOLUME_ENDPOINT_OVERRIDE": "https://evs.other.example.com",
    "OS_CACERT": "/other.pem",
    "OS_INTERFACE": "internal",
}

# Fragments of an entry: each replaces or adds keys beside 'auth', or under it.
BESIDE: list[dict[str, Any]] = [
    *({f"{service}_endpoint_override": f"https://{service.replace('_', '-')}.example.com/v3"}
      for service in ("block_storage", "volumev3", "volumev2", "volume", "block_store")),
    {"volume_endpoint": "https://volume.example.com/v3"},
    {"block-storage-endpoint-override": "https://dashes.example.com/v3"},
    {"volume_endpoint_override": "https://{region_name}.example.com/v3"},
    {"block_storage_interface": "internal"},
    {"volume-interface": "internal"},
    {"volume_endpoint_type": "internalURL"},
    {"interface": "internal"},
    {"interface": "admin", "endpoint_type": "internalURL"},
    {"endpoint_type": "internalURL"},
    {"volume_region_name": "r9"},
    {"volume_service_type": "volumev2"},
    {"block_storage_service_name": "cinderv3"},
    {"volume_api_version": "3"},
    {"volumev3_api_version": "3.59"},
    {"block_storage_api_version": "2"},
    {"cacert": "/ca.pem"},
    {"cacert": "/ca.pem", "verify": False},
    {"verify": "/verify.pem"},
    {"verify": False},
    {"verify": True},
    {"insecure": True},
    {"insecure": "true", "cacert": "/ca.pem"},
    {"cert": "/client.pem"},
    {"region-name": "r2"},
    {"region_name": "r2,r3"},
    {"regions": ["r2", "r3"]},
    {"regions": [
        {"name": "r2", "values": {"auth": {"auth_url": "https://iam.r2.example.com/v3"},
                                  "volume_endpoint_override": "https://evs.r2.example.com/v3"}},
        {"name": "r3", "values": {"interface": "internal", "cacert": "/r3.pem"}},
        "r4",
    ]},
    {"profile": "ours"},
    {"profile": "otc"},
    {"cloud": "ours"},
    {"profile": "nobodys"},
    {"cloud": "x"},
    {"project_id": "beside-id"},
    {"tenant_name": "beside-tenant"},
    {"project-name": "beside-project"},
    {"username": "beside-user"},
    {"domain_name": "beside-domain"},
    {"auth_type": "password"},
    {"auth-type": "v3password"},
    {"auth_plugin": "password"},
    {"auth_type": "v3oidcpassword"},
]  # fmt: skip
UNDER: list[dict[str, Any]] = [
    {"auth_url": None, "auth-url": "https://dashes.example.com/v3"},
    {"username": None, "user_name": "named"},
    {"username": None, "user-name": "dashed"},
    {"username": None, "user_id": "by-id", "user_domain_name": None},
    {"project_name": None, "tenant_name": "tenant"},
    {"project_name": None, "tenant-id": "tenant-id"},
    {"project_id": "by-id"},
    {"user_domain_name": None, "user-domain-id": "domain-id"},
    {"user_domain_name": None, "project_domain_name": None, "domain_id": "both"},
    {"user_domain_name": None, "project_domain_name": None, "default_domain_name": "any"},
    {"project_domain_name": None, "project-domain-id": "pd-id"},
    {"trust_id": "t"},
    {"system_scope": "all"},
    {"auth_url": None},
    {"password": None},
]
PUBLIC = {
    "ours": {
        "auth": {"auth_url": "https://iam.public.example.com/v3", "user_domain_name": "public"},
        "region_name": "r7",
        "interface": "internal",
        "block_storage_endpoint_override": "https://evs.public.example.com/v3",
        "cacert": "/public.pem",
    }
}
SECURE: list[dict[str, Any]] = [
    {"auth": {"password": "of-secure"}},
    {"auth": {"auth_url": "https://secure.example.com/v3"}, "cacert": "/secure.pem"},
]
VARIABLES: list[dict[str, str]] = [
    {"OS_USERNAME": "", "OS_USER_NAME": "named"},
    {"OS_USER_ID": "by-id"},
    {"OS_TENANT_NAME": "tenant"},
    {"OS_PROJECT_NAME": "", "OS_TENANT_ID": "tenant-id"},
    {"OS_USER_DOMAIN_NAME": "", "OS_PROJECT_DOMAIN_NAME": "", "OS_DOMAIN_ID": "domain"},
    {"OS_USER_DOMAIN_NAME": "", "OS_DEFAULT_DOMAIN_NAME": "any"},
    {"OS_PROJECT_DOMAIN_ID": "pd-id"},
    {"OS_REGION_NAME": "r5"},
    {"OS_VOLUME_REGION_NAME": "r6"},
    {"OS_INTERFACE": "internal"},
    {"OS_INTERFACE": "admin", "OS_ENDPOINT_TYPE": "internalURL"},
    {"OS_BLOCK_STORAGE_INTERFACE": "internal"},
    {"OS_VOLUME_ENDPOINT_OVERRIDE": "https://volume.example.com/v3"},
    {"OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE": "https://block.example.com/v3"},
    {"OS_VOLUMEV3_ENDPOINT_OVERRIDE": "https://volumev3.example.com/v3"},
    {"OS_VOLUME_API_VERSION": "3.59"},
    {"OS_CACERT": "/env.pem"},
    {"OS_INSECURE": "true"},
    {"OS_VOLUME_SERVICE_TYPE": "volumev2"},
    {"OS_TRUST_ID": "t"},
    {"OS_AUTH_TYPE": "v3password"},
    {"OS_CERT": "/client.pem"},
]


def changed(tree: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return the tree with keys replaced, and those set to None left out."""
    return {k: v for k, v in {**tree, **change}.items() if v is not None}


def entry(beside: list[dict[str, Any]], under: list[dict[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {"region_name": "r1"}
    auth: dict[str, Any] = dict(AUTH)
    for change in under:
        auth = changed(auth, change)
    for change in beside:
        if change.keys() & {"regions", "region-name", "profile", "cloud"}:
            tree.pop("region_name", None)
        tree = changed(tree, change)
    return {**tree, "auth": auth}


def files(cloud: dict[str, Any], secure: dict[str, Any] | None = None) -> dict[str, Any]:
    given: dict[str, Any] = {
        "clouds.yaml": {"clouds": {"x": cloud}},
        "clouds-public.yaml": {"public-clouds": PUBLIC},
    }
    return given | ({"secure.yaml": {"clouds": {"x": secure}}} if secure else {})


def openrc(*changes: dict[str, str]) -> dict[str, str]:
    variables = {f"OS_{key.upper()}": value for key, value in AUTH.items()}
    for change in changes:
        variables |= change
    return {key: value for key, value in variables.items() if value}


def cases() -> list[dict[str, Any]]:
    """Return each fragment alone, then fragments drawn by chance."""
    found: list[dict[str, Any]] = [
        *({"files": files(entry([change], []))} for change in BESIDE),
        *({"files": files(entry([], [change]))} for change in UNDER),
        *({"files": files(entry([], []), secure)} for secure in SECURE),
        *({"environ": openrc(change)} for change in VARIABLES),
        {"files": files(entry([], [])), "environ": OTHER},
        {"files": files(entry([BESIDE[5]], [])), "environ": OTHER},
    ]
    regional = [
        change for change in BESIDE if "regions" in change or change.get("profile") == "otc"
    ]
    found += [
        {"files": files(entry([change], [])), "region": region}
        for change in regional
        for region in ("r2", "r3", "r4", "eu-nl", "elsewhere")
    ]
    chance = random.Random(SEED)  # noqa: S311 - no secret
    for _ in range(DRAWN):
        if chance.random() < 0.25:
            found.append({"environ": openrc(*chance.sample(VARIABLES, 3))})
            continue
        beside = chance.sample(BESIDE, chance.randint(1, 4))
        under = chance.sample(UNDER, chance.randint(0, 2))
        secure = chance.choice([None, None, *SECURE])
        found.append({"files": files(entry(beside, under), secure)})
    return found


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Return what openstacksdk makes of a case."""
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    os.environ.update(case.get("environ", {}))
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for stem in ("clouds", "secure", "clouds-public"):
            path = Path(folder, f"{stem}.yaml")
            paths[stem] = [str(path)]
            if path.name in case.get("files", {}):
                path.write_text(json.dumps(case["files"][path.name]), encoding="utf-8")
        try:
            config = OpenStackConfig(
                config_files=paths["clouds"],
                secure_files=paths["secure"],
                vendor_files=paths["clouds-public"],
            )
            region = {"region_name": case["region"]} if "region" in case else {}
            cloud = config.get_one(cloud="x" if "files" in case else None, **region)
            verify, cert = cloud.get_requests_verify_args()
            return {
                "auth_type": cloud.config.get("auth_type"),
                "auth": cloud.get_auth_args(),
                "region": cloud.get_region_name(SERVICE),
                "interface": cloud.get_interface(SERVICE),
                "endpoint": cloud.get_endpoint(SERVICE),
                "service_type": cloud.get_service_type(SERVICE),
                "service_name": cloud.get_service_name(SERVICE),
                "verify": verify,
                "cert": cert,
            }
        except Exception as error:  # noqa: BLE001 - whatever openstacksdk raises is its answer
            return {"error": f"{type(error).__name__}: {error}".replace(folder, "")}


def main() -> None:
    warnings.simplefilter("ignore")
    recorded = [{**case, "answer": answer(case)} for case in cases()]
    source = f"openstacksdk {version('openstacksdk')}, keystoneauth1 {version('keystoneauth1')}"
    lines = ",\n".join(json.dumps(case, sort_keys=True) for case in recorded)
    sys.stdout.write(f'{{"source": "{source}", "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
