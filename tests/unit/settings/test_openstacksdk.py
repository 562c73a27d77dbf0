"""clouds.yaml and OS_* variables mean here what they mean to openstacksdk.

Its answers are recorded in tests/samples/settings/openstacksdk.json, by
tests/tools/record_openstacksdk.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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

    def domain(of: str) -> object:
        keys = (f"{of}_domain_id", "default_domain_id", f"{of}_domain_name", "default_domain_name")
        return None if get(f"{of}_id") else next(filter(None, map(get, keys)), None)

    return {
        "auth_url": base_url(get("auth_url")),
        "user": get("user_id") or get("username"),
        "user_domain": domain("user"),
        "password": get("password"),
        "project": get("project_id") or get("project_name"),
        "project_domain": domain("project"),
        "region": answer["region"] or None,
        "interface": answer["interface"].removesuffix("URL"),
        **{key: answer[key] for key in ("endpoint", "service_type", "service_name", "verify")},
    }


def ours(settings: Settings) -> dict[str, Any]:
    credentials = settings.credentials
    assert isinstance(credentials, PasswordCredentials)
    user, domain = credentials.user, settings.project_domain_id or settings.project_domain_name
    same = ("auth_url", "region", "interface", "endpoint", "service_name", "verify")
    return {
        **{key: getattr(settings, key) for key in same},
        "user": user.id or user.name,
        "user_domain": None if user.id else user.domain_id or user.domain_name,
        "password": credentials.password,
        "project": settings.project_id or settings.project_name,
        "project_domain": None if settings.project_id else domain,
        "service_type": settings.service_type or "block-storage",
    }


def keys_of(tree: object) -> set[str]:
    """Return all keys of a tree."""
    if isinstance(tree, list):
        return {key for part in tree for key in keys_of(part)}
    if not isinstance(tree, dict):
        return set()
    return {*tree, *(key for part in tree.values() for key in keys_of(part))}


def difference(case: dict[str, Any]) -> object:
    """Return how our reading differs; None where it is the same, or refused by name."""
    for path in Path().glob("*.yaml"):
        path.unlink()
    for name, tree in case.get("files", {}).items():
        Path(name).write_text(json.dumps(tree), encoding="utf-8")
    environ = {"HOME": str(Path.cwd()), **case.get("environ", {})}
    cloud = "x" if "files" in case else None
    has_answer = "error" not in case["answer"]
    try:
        settings = load_settings(environ, cloud=cloud, options={"region": case.get("region")})
    except ConfigurationError as error:
        told = f"{error.message} {error.hint}"
        # What Keystone would refuse, and what changes who signs in and is not supported.
        named = {"user_domain_name", "OS_USER_DOMAIN_NAME", "password", "OS_PASSWORD", "cert",
                 "trust_id", "system_scope", "OS_CERT", "OS_TRUST_ID"}  # fmt: skip
        written = keys_of(case.get("files", {})) | environ.keys() | {"regions", "auth_url"}
        return None if any(key in told for key in (named if has_answer else written)) else told
    if not has_answer:  # it asks for more than we do
        return None
    expected, got = of_openstack(case["answer"]), ours(settings)
    if expected["project_domain"] is None:  # then the project is looked for in the user's domain
        got["project_domain"] = None
    return {k: (got[k], expected[k]) for k in expected if got[k] != expected[k]} or None


def test_each_recorded_case_means_the_same_or_is_refused_by_name() -> None:
    """found: settings of one service were passed over, and the token went elsewhere."""
    differences = [(case, found) for case in RECORDED if (found := difference(case)) is not None]
    assert differences == []
    assert len(RECORDED) > 200
