"""The user's settings, checked: environment, clouds.yaml and options become one record.

No request is sent here, and no file but the user's own configuration is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evs_snap.errors import ConfigurationError
from evs_snap.settings import clouds
from evs_snap.settings.addresses import base_url, iam_url, require_safe
from evs_snap.settings.credentials import (
    AgencyCredentials,
    ApplicationCredentials,
    Credentials,
    Keys,
    PasswordCredentials,
    choose_credentials,
    is_true,
    missing,
    required,
)
from evs_snap.settings.sources import (
    Values,
    from_cloud,
    from_environment,
    from_keys_file,
    has_sign_in,
    of_named_cloud,
    require_sendable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """All that is needed to sign in and to find the volume service.

    ``auth_url`` is the address of Keystone (IAM) without the version; empty where AK/SK need
    nothing from there. ``endpoint`` is used in place of the catalog's. ``verify`` is True,
    False, or the path of a CA file. ``limit`` is how many snapshots a disk may hold, None where
    it is not set. ``origins`` names the variable, option or file of each setting.
    """

    auth_url: str
    credentials: Credentials
    project_name: str | None = None
    project_id: str | None = None
    project_domain_name: str | None = None
    project_domain_id: str | None = None
    region: str | None = None
    interface: str = "public"
    endpoint: str | None = None
    api_version: str = "v3"
    verify: bool | str = True
    allow_http: bool = False
    limit: int | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return self.credentials.secrets

    @property
    def sign_in(self) -> str:
        """Which kind of sign-in it is and where it was set, without the secret."""
        keys = self.credentials.setting_keys
        places = sorted({self.origins[k] for k in keys if k in self.origins})
        return f"{self.credentials.kind} ({', '.join(places) or 'built in'})"


def load_settings(
    environ: Mapping[str, str],
    *,
    cloud: str | None = None,
    options: Mapping[str, str | None] | None = None,
) -> Settings:
    """Combine ``options`` (by our key) with ``environ``, or with a cloud of clouds.yaml.

    ``cloud`` is the value of --os-cloud. Without it and OS_CLOUD, and with no sign-in in the
    environment, it is the only cloud in the file, or else the vendor's file of keys. Raises
    ConfigurationError that names the variable or the key of clouds.yaml at fault.
    """
    given = {k: v for k, v in (options or {}).items() if v}
    name = cloud or environ.get("OS_CLOUD") or None
    values = from_environment(environ, with_other_tools=name is None)
    named = None
    if name or not has_sign_in(values):
        named = clouds.find_cloud(environ, name=name)
    if named:
        where, tree = named
        values = of_named_cloud(
            from_cloud(tree, where=where),
            environment=values,
            by_option=bool(cloud),
            region=given.get("region"),
        )
    elif not has_sign_in(values):
        values = from_keys_file(environ).replaced_by(values)
    names = {k: f"--os-{k.replace('_', '-')}" for k in given} | {"region": "--os-region-name"}
    values = values.replaced_by(Values(given, {k: names[k] for k in given}))
    if not has_sign_in(values):
        raise _nothing_configured(clouds.cloud_names(environ))
    return _settings(values)


def _settings(values: Values) -> Settings:
    get = values.get
    require_sendable(values)
    credentials = choose_credentials(values)
    region = get("region")
    allow_http = is_true(get("allow_http"))
    endpoint = get("endpoint")
    if endpoint:
        require_safe(endpoint, allow_http=allow_http, what="the volume endpoint")
    if isinstance(credentials, Keys | AgencyCredentials):
        auth_url = _auth_url_of_keys(values)
    elif not (
        get("project_id") or get("project_name") or isinstance(credentials, ApplicationCredentials)
    ):
        raise missing("project", "OS_PROJECT_NAME (or OS_PROJECT_ID)", "project_name")
    else:
        auth_url = required(values, "auth_url")
    if "{region_name}" in auth_url and not region:
        raise missing("region", "OS_REGION_NAME", "region_name")
    auth_url = auth_url.replace("{region_name}", region or "")
    if auth_url:
        require_safe(auth_url, allow_http=allow_http, what="auth_url")
    return Settings(
        auth_url=base_url(auth_url),
        credentials=credentials,
        project_name=get("project_name"),
        project_id=get("project_id"),
        project_domain_name=get("project_domain_name"),
        project_domain_id=get("project_domain_id"),
        region=region,
        interface=(get("interface") or "public").removesuffix("URL"),
        endpoint=endpoint,
        api_version=_api_version(get("api_version")),
        verify=_verify(values),
        allow_http=allow_http,
        limit=_limit(get("limit")),
        origins=values.origins,
    )


def _auth_url_of_keys(values: Values) -> str:
    """Return where the project is looked up; empty where its ID is known."""
    get = values.get
    region = get("region")
    if not region and not (get("endpoint") and get("project_id")):
        raise missing("region", "OS_REGION_NAME", "region_name")
    if get("auth_url") or get("project_id"):
        return get("auth_url") or ""
    return iam_url(region or "")


def _nothing_configured(names: list[str]) -> ConfigurationError:
    choose = (
        f"Choose a cloud of your clouds.yaml ({', '.join(names)}) with --os-cloud NAME"
        if names
        else "Set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_USER_DOMAIN_NAME, "
        "OS_PROJECT_NAME and OS_REGION_NAME, or write a clouds.yaml "
        "(~/.config/openstack/clouds.yaml) and name the cloud with --os-cloud NAME; or set "
        "OS_ACCESS_KEY, OS_SECRET_KEY and OS_REGION_NAME; or, on an ECS that has an agency, "
        "OS_AUTH_TYPE=agency and OS_REGION_NAME"
    )
    return ConfigurationError(
        "no cloud is configured",
        hint=f"{choose}. To try evs-snap without an account, add --sandbox.",
    )


def _api_version(value: str | None) -> str:
    version = f"v{(value or '3').lower().removeprefix('v')}"
    if version not in {"v2", "v3"}:
        raise ConfigurationError(f"volume API version {value!r} is neither 2 nor 3")
    return version


def _verify(values: Values) -> bool | str:
    if is_true(values.get("insecure")):
        return False
    return values.get("cacert") or True


def _limit(value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch("[1-9][0-9]{0,8}", value):
        raise ConfigurationError("evs_snap.limit in clouds.yaml is not a positive number")
    return int(value)


def sandbox_settings(
    environ: Mapping[str, str] | None = None, *, region: str | None = None
) -> Settings:
    """Return what it takes to sign in at the built-in pretend cloud, in this process.

    Its region is ``region``, else the OS_REGION_NAME of ``environ`` where that is one of the
    sandbox's: another cloud's is not meant for it.
    """
    from evs_snap.sandbox.rules import ACCOUNT, REGIONS  # noqa: PLC0415 - only --sandbox needs it

    named = (environ or {}).get("OS_REGION_NAME")
    return Settings(
        auth_url="http://sandbox.localhost/identity",
        credentials=PasswordCredentials(
            username=ACCOUNT.user_name,
            user_id=None,
            domain_name=ACCOUNT.domain_name,
            domain_id=None,
            password=ACCOUNT.password,
        ),
        project_name=ACCOUNT.project_name,
        region=region or (named if named in REGIONS else ACCOUNT.region),
    )
