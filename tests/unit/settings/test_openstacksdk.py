"""clouds.yaml and OS_* variables mean here what they mean to openstacksdk.

Its answers are recorded in tests/samples/settings/openstacksdk.json, by
tests/tools/record_openstacksdk.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evs_snap.errors import ConfigurationError
from evs_snap.settings import Settings, load_settings
from evs_snap.settings.addresses import base_url
from evs_snap.settings.credentials import PasswordCredentials

RECORDED = json.loads(
    (Path(__file__).parents[2] / "samples/settings/openstacksdk.json").read_text("utf-8")
)["cases"]


def of_openstack(answer: dict[str, Any]) -> dict[str, Any]:
    """Return who, where and whom to trust, as openstacksdk and keystoneauth act on it."""
    get = answer["auth"].get
    domain = get("default_domain_id"), get("default_domain_name")
    return {
        "auth_url": base_url(get("auth_url")),
        "user": get("user_id") or get("username"),
        "user_domain": None
        if get("user_id")
        else get("user_domain_id") or domain[0] or get("user_domain_name") or domain[1],
        "password": get("password"),
        "project": get("project_id") or get("project_name"),
        "project_domain": None
        if get("project_id")
        else get("project_domain_id") or domain[0] or get("project_domain_name") or domain[1],
        "region": answer["region"] or None,
        "interface": answer["interface"].removesuffix("URL"),
        "endpoint": answer["endpoint"],
        "service_type": answer["service_type"],
        "service_name": answer["service_name"],
        "verify": answer["verify"],
    }


def ours(settings: Settings) -> dict[str, Any]:
    credentials = settings.credentials
    assert isinstance(credentials, PasswordCredentials)
    user = credentials.user
    return {
        "auth_url": settings.auth_url,
        "user": user.id or user.name,
        "user_domain": None if user.id else user.domain_id or user.domain_name,
        "password": credentials.password,
        "project": settings.project_id or settings.project_name,
        "project_domain": None
        if settings.project_id
        else settings.project_domain_id or settings.project_domain_name,
        "region": settings.region,
        "interface": settings.interface,
        "endpoint": settings.endpoint,
        "service_type": settings.service_type or "block-storage",
        "service_name": settings.service_name,
        "verify": settings.verify,
    }


def keys_of(tree: object) -> set[str]:
    """Return all keys of a tree."""
    if isinstance(tree, list):
        return {key for part in tree for key in keys_of(part)}
    if not isinstance(tree, dict):
        return set()
    return {*tree, *(key for part in tree.values() for key in keys_of(part))}


@pytest.mark.parametrize("case", RECORDED, ids=range(len(RECORDED)))
def test_it_means_the_same_or_is_refused_by_name(case: dict[str, Any]) -> None:
    """found: settings of one service were passed over, and the token went elsewhere."""
    for name, tree in case.get("files", {}).items():
        Path(name).write_text(json.dumps(tree), encoding="utf-8")
    environ = {"HOME": str(Path.cwd()), **case.get("environ", {})}
    cloud = "x" if "files" in case else None
    try:
        settings = load_settings(environ, cloud=cloud, options={"region": case.get("region")})
    except ConfigurationError as error:
        told = f"{error.message} {error.hint}"
        written = keys_of(case.get("files", {}).get("clouds.yaml")) | environ.keys()
        missing = {"user_domain_name", "region_name", "password", "auth_url"}
        missing |= {f"OS_{key.upper()}" for key in missing}
        named = [key for key in (written | missing) - {"clouds", "x", "auth"} if key in told]
        assert named, told
        if "error" not in case["answer"]:
            refused = {"cert", "trust_id", "system_scope", "OS_CERT", "OS_TRUST_ID"}
            assert {*named} & (refused | missing), told
        return
    if "error" in case["answer"]:  # it asks for more; what we read beyond it is our own
        return
    expected, got = of_openstack(case["answer"]), ours(settings)
    if expected["project_domain"] is None:  # then the project is looked for in the user's domain
        got["project_domain"] = None
    assert got == expected
