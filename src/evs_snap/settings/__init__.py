"""The user's settings, checked: environment, clouds.yaml and options become one record.

No request is sent here, and no file but the user's own configuration is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from evs_snap.errors import ConfigurationError
from evs_snap.settings import clouds
from evs_snap.settings.addresses import base_url, iam_url, require_safe
from evs_snap.settings.credentials import (
    Credentials,
    CredentialsType,
    PasswordCredentials,
    User,
    choose_kind,
    kinds_begun,
)
from evs_snap.settings.lacking import missing, nothing_configured
from evs_snap.settings.named import NamedCloud, of_named_cloud
from evs_snap.settings.sources import (
    from_environment,
    from_keys_file,
    require_sendable,
    unknown_keys,
)
from evs_snap.settings.values import Values

Kind = Literal["legacy", "standard"]
"""The kinds of snapshots."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that is needed to sign in and to find the volume service.

    ``auth_url`` is the address of Keystone (IAM) without the version; empty where AK/SK need
    nothing from there. ``endpoint`` is used in place of the catalog's; ``service_type`` and
    ``service_name`` choose one of the catalog's entries. ``verify`` is True, False, or the path
    of a file or folder of CAs. ``kind`` is that of the snapshots to work with; it is never guessed,
    as one is billed. ``limit`` is how many snapshots a disk may hold, None where it is not set.
    ``enterprise_project_id`` is that of new snapshots. ``origins`` names the variable, option or
    file of each setting. ``remarks`` are sentences for the user about what was left out.
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
    service_type: str | None = None
    service_name: str | None = None
    api_version: str = "v3"
    verify: bool | str = True
    allow_http: bool = False
    kind: Kind = "legacy"
    limit: int | None = None
    enterprise_project_id: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return self.credentials.secrets

    @property
    def sign_in(self) -> str:
        """Which kind of sign-in it is and where it was set, without the secret."""
        keys = self.credentials.settings()
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
    found = named = None
    if name or not _has_sign_in(values):
        found = clouds.find_cloud(environ, name=name)
    if found:
        named = of_named_cloud(
            found, environment=values, by_option=bool(cloud), region=given.get("region")
        )
        values = named.values
    elif not _has_sign_in(values):
        values = from_keys_file(environ).replaced_by(values)
        if not _has_sign_in(values) and "auth_type" not in values:
            raise nothing_configured(clouds.cloud_names(environ))
    names = {k: f"--os-{k.replace('_', '-')}" for k in given}
    names |= {"region": "--os-region-name", "kind": "--kind"}
    names = {k: names[k] for k in given}
    return _settings(values.replaced_by(Values(given, names, names)), named=named)


def _has_sign_in(values: Values) -> bool:
    """Whether there is anything to sign in with, beyond the kind of sign-in that is wanted."""
    return "auth_url" in values or bool(kinds_begun(values))


def _settings(values: Values, *, named: NamedCloud | None) -> Settings:
    get = values.get
    require_sendable(values)
    _require_known(values)
    kind = choose_kind(values)
    lacking = [*kind.lacking(values), *_lacking_place(values, kind)]
    if lacking:
        raise missing(lacking, values, named=named)
    region = get("region")
    allow_http = values.is_true("allow_http")
    endpoint = _filled(get("endpoint"), region)
    if endpoint:
        require_safe(endpoint, allow_http=allow_http, what=_what(values, "endpoint"))
    auth_url = _filled(get("auth_url"), region)
    if kind.signs and not (auth_url or get("project_id")):
        auth_url = iam_url(region or "")
    if auth_url:
        require_safe(auth_url, allow_http=allow_http, what=_what(values, "auth_url"))
    return Settings(
        auth_url=base_url(auth_url or ""),
        credentials=kind.read(values),
        project_name=get("project_name"),
        project_id=get("project_id"),
        project_domain_name=get("project_domain_name"),
        project_domain_id=get("project_domain_id"),
        region=get("volume_region") or region,
        interface=get("interface", "public").removesuffix("URL"),
        endpoint=endpoint,
        service_type=get("service_type"),
        service_name=get("service_name"),
        api_version=_api_version(values),
        verify=_verify(values),
        allow_http=allow_http,
        kind=kind_named(get("kind"), told=values.told("kind") if "kind" in values else "kind"),
        limit=_limit(values),
        enterprise_project_id=get("enterprise_project_id"),
        origins=values.origins,
        remarks=(*named.cloud.remarks, *unknown_keys(named.cloud)) if named else (),
    )


def _lacking_place(values: Values, kind: CredentialsType) -> list[str]:
    """Return which settings are missing to know the project and where it is served."""
    has_project = values.keys() & {"project_name", "project_id"}
    is_placed = "endpoint" in values and "project_id" in values
    addresses = f"{values.get('auth_url')} {values.get('endpoint')}"
    needs_region = (kind.signs and not is_placed) or "{region_name}" in addresses
    return [
        *(["project_name"] if not (kind.signs or kind.has_project or has_project) else []),
        *(["auth_url"] if not kind.signs and "auth_url" not in values else []),
        *(["region"] if needs_region and "region" not in values else []),
    ]


def _filled(address: str | None, region: str | None) -> str | None:
    return address.replace("{region_name}", region or "") if address else None


def _what(values: Values, key: str) -> str:
    """Return what an address is, with its name as the user wrote it."""
    what = {"endpoint": "the volume endpoint"}.get(key, key)
    return f"{what}, {values.told(key)}," if key in values else what


def _require_known(values: Values) -> None:
    """Refuse settings that openstack obeys and evs-snap does not: who signs in would differ."""
    for key in ("cert", "trust_id", "system_scope"):
        if key in values:
            raise ConfigurationError(
                f"{values.told(key)} is set, and evs-snap cannot sign in that way",
                hint="Remove it, or sign in in another way.",
            )


def _api_version(values: Values) -> str:
    """Return v2 or v3. A microversion, as in 3.59, means its major version."""
    value = values.get("api_version", "3")
    version = re.fullmatch(r"v?([23])(\.[0-9]+)?", value.lower())
    if not version:
        raise ConfigurationError(
            f"the volume API version {value!r}, {values.told('api_version')}, is neither 2 nor 3"
        )
    return f"v{version[1]}"


def _verify(values: Values) -> bool | str:
    """Return whether TLS is verified, and by which CAs.

    As for openstack, ``verify`` may be the path of a CA file too, and ``insecure`` counts first.
    """
    verify = values.get("verify", "true").strip().lower()
    if values.is_true("insecure") or verify in {"false", "no", "off", "0"}:
        return False
    is_path = verify not in {"true", "yes", "on", "1"}
    return values.get("cacert") or (values["verify"] if is_path else True)


def kind_named(name: str | None, *, told: str = "kind") -> Kind:
    """Return the kind of snapshots of that name, the usual one for none.

    Raises ConfigurationError for a name that is not known; ``told`` says where it was set.
    """
    if name is None:
        return "legacy"
    if name not in get_args(Kind):
        raise ConfigurationError(
            f"{told} is {name!r}, and must be {' or '.join(get_args(Kind))}",
        )
    return cast("Kind", name)


def _limit(values: Values) -> int | None:
    value = values.get("limit")
    if value is None:
        return None
    if not re.fullmatch("[1-9][0-9]{0,8}", value):
        raise ConfigurationError(f"{values.told('limit')} is not a positive number")
    return int(value)


def sandbox_settings(
    environ: Mapping[str, str] | None = None,
    *,
    region: str | None = None,
    kind: str | None = None,
) -> Settings:
    """Return what it takes to sign in at the built-in pretend cloud, in this process.

    Its region is ``region``, else the OS_REGION_NAME of ``environ`` where that is one of the
    sandbox's: another cloud's is not meant for it. ``kind`` is that of the snapshots, else that
    of EVS_SNAP_KIND. EVS_SNAP_LIMIT holds for it too.
    """
    from evs_snap.sandbox.rules import ACCOUNT, REGIONS  # noqa: PLC0415 - only --sandbox needs it

    named = (environ or {}).get("OS_REGION_NAME")
    return Settings(
        auth_url="http://sandbox.localhost/identity",
        credentials=PasswordCredentials(
            User(ACCOUNT.user_name, domain_name=ACCOUNT.domain_name), ACCOUNT.password
        ),
        project_name=ACCOUNT.project_name,
        region=region or (named if named in REGIONS else ACCOUNT.region),
        kind=kind_named(kind or (environ or {}).get("EVS_SNAP_KIND") or None),
        limit=_limit(from_environment(environ or {})),
    )
