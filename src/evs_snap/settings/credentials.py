"""The kinds of sign-in, and which of them the settings ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from evs_snap.errors import ConfigurationError
from evs_snap.settings.addresses import require_safe

if TYPE_CHECKING:
    from datetime import datetime

    from evs_snap.settings.sources import Values

METADATA_ADDRESS = "http://169.254.169.254"
"""Where an ECS gets the keys of its agency, by plain http: the link is the machine's own.

Source: https://support.huaweicloud.com/intl/en-us/usermanual-ecs/ecs_03_0166.html
"""

_KINDS = {
    "password": "password",
    "v3password": "password",
    "token": "token",
    "v3token": "token",
    "v3applicationcredential": "application credential",
    "aksk": "keys",
    "agency": "agency",
}


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """A Keystone user and password; the user by ID, or by name and domain."""

    username: str | None
    user_id: str | None
    domain_name: str | None
    domain_id: str | None
    password: str = field(repr=False)

    kind: ClassVar[str] = "password"
    setting_keys: ClassVar[tuple[str, ...]] = ("username", "user_id", "password")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return (self.password,)


@dataclass(frozen=True, slots=True)
class TokenCredentials:
    """A token that was made elsewhere; it cannot be renewed."""

    token: str = field(repr=False)

    kind: ClassVar[str] = "token"
    setting_keys: ClassVar[tuple[str, ...]] = ("token",)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return (self.token,)


@dataclass(frozen=True, slots=True)
class ApplicationCredentials:
    """A Keystone application credential, by its ID, or by its name and its user.

    It belongs to one project.
    Source: https://docs.openstack.org/keystone/latest/user/application_credentials.html
    """

    id: str | None
    secret: str = field(repr=False)
    name: str | None = None
    username: str | None = None
    user_id: str | None = None
    domain_name: str | None = None
    domain_id: str | None = None

    kind: ClassVar[str] = "application credential"
    setting_keys: ClassVar[tuple[str, ...]] = (
        "application_credential_id",
        "application_credential_name",
        "application_credential_secret",
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return (self.secret,)


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key and its secret key. Temporary ones have a security token and an end (UTC)."""

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    kind: ClassVar[str] = "AK/SK"
    setting_keys: ClassVar[tuple[str, ...]] = ("access_key", "secret_key", "security_token")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return (self.secret_key, *((self.security_token,) if self.security_token else ()))


@dataclass(frozen=True, slots=True)
class AgencyCredentials:
    """The machine's own agency: temporary keys from the metadata address."""

    address: str = METADATA_ADDRESS

    kind: ClassVar[str] = "ECS agency"
    setting_keys: ClassVar[tuple[str, ...]] = ("auth_type", "metadata_url")
    secrets: ClassVar[tuple[str, ...]] = ()


Credentials = (
    PasswordCredentials | TokenCredentials | ApplicationCredentials | Keys | AgencyCredentials
)


def choose_credentials(values: Values) -> Credentials:
    """Return the one kind of sign-in that the settings give completely.

    Raises ConfigurationError where none is complete (it names what is missing), and where
    several are complete and OS_AUTH_TYPE does not choose.
    """
    kind = _kind_asked(values)
    if kind is None:
        begun = {kind: _lacking(values, kind) for kind in _PARTS if _begun(values, kind)}
        complete = [k for k, lacking in begun.items() if not lacking]
        if len(complete) > 1:
            raise _several(values, complete)
        if not complete and len(begun) > 1:
            raise _halves(values, begun)
        kind = (complete or list(begun) or ["password"])[0]
    match kind:
        case "token":
            return TokenCredentials(required(values, "token"))
        case "keys":
            return Keys(
                access_key=required(values, "access_key"),
                secret_key=required(values, "secret_key"),
                security_token=values.get("security_token"),
            )
        case "agency":
            return _agency(values)
        case "application credential":
            return _application_credential(values)
    return _password(values)


def required(values: Values, key: str) -> str:
    """Return a setting. Raises ConfigurationError that names its variable if it is missing."""
    value = values.get(key)
    if not value:
        raise missing(key, _variable(values, key), key)
    return value


def missing(what: str, variable: str, key: str) -> ConfigurationError:
    """Return the error for a missing setting: it names the variable and the key of clouds.yaml."""
    return ConfigurationError(
        f"the {what.replace('_', ' ')} is not set: {variable} is missing",
        hint=f"Set {variable}, or {key} in clouds.yaml.",
    )


def is_true(value: str | None) -> bool:
    """Whether a setting is switched on."""
    return (value or "").strip().lower() in {"1", "true", "yes", "on"}


def _kind_asked(values: Values) -> str | None:
    asked = values.get("auth_type")
    if asked is None:
        return None
    if asked not in _KINDS:
        raise ConfigurationError(
            f"{values.origins['auth_type']} asks for {asked!r}, which evs-snap does not know",
            hint="Known: password, token, v3applicationcredential, aksk, agency.",
        )
    return _KINDS[asked]


_PARTS = {
    "password": ("username", "password"),
    "token": ("token",),
    "keys": ("access_key", "secret_key"),
    "application credential": ("application_credential_id", "application_credential_secret"),
}

_INSTEAD = {"username": "user_id", "application_credential_id": "application_credential_name"}

_PARTNERS = {
    "HUAWEICLOUD_SDK_AK": "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_SK": "HUAWEICLOUD_SDK_AK",
    "HW_ACCESS_KEY": "HW_SECRET_KEY",
    "HW_SECRET_KEY": "HW_ACCESS_KEY",
}


def _begun(values: Values, kind: str) -> bool:
    return any(key in values or _INSTEAD.get(key) in values for key in _PARTS[kind])


def _lacking(values: Values, kind: str) -> list[str]:
    """Return what is missing of a kind of sign-in."""
    return [k for k in _PARTS[kind] if k not in values and _INSTEAD.get(k) not in values]


def _variable(values: Values, key: str) -> str:
    """Return the variable for a setting; for half a pair of keys, that of the same vendor."""
    partner = {"access_key": "secret_key", "secret_key": "access_key"}.get(key, "")
    return _PARTNERS.get(values.origins.get(partner, ""), f"OS_{key.upper()}")


def _origins(values: Values, kind: str) -> str:
    keys = {key for part in _PARTS[kind] for key in (part, _INSTEAD.get(part, part))}
    return " and ".join(sorted({values.origins[k] for k in keys if k in values.origins}))


def _several(values: Values, kinds: list[str]) -> ConfigurationError:
    told = "; ".join(f"{kind} ({_origins(values, kind)})" for kind in kinds)
    return ConfigurationError(
        f"several ways to sign in are given: {told}",
        hint="Unset all but one, or choose with OS_AUTH_TYPE=password, token, "
        "v3applicationcredential or aksk.",
    )


def _halves(values: Values, begun: dict[str, list[str]]) -> ConfigurationError:
    told = "; ".join(
        f"{kind} ({_origins(values, kind)}) lacks "
        f"{' and '.join(_variable(values, key) for key in lacking)}"
        for kind, lacking in begun.items()
    )
    return ConfigurationError(
        f"no way to sign in is complete: {told}", hint="Complete one, and unset the other."
    )


def _require_user(values: Values) -> None:
    get = values.get
    if not (get("username") or get("user_id")):
        raise missing("user", "OS_USERNAME", "username")
    if not (get("user_id") or get("user_domain_name") or get("user_domain_id")):
        raise missing("user's domain", "OS_USER_DOMAIN_NAME", "user_domain_name")


def _application_credential(values: Values) -> ApplicationCredentials:
    secret = required(values, "application_credential_secret")
    if "application_credential_name" not in values or "application_credential_id" in values:
        return ApplicationCredentials(required(values, "application_credential_id"), secret)
    _require_user(values)
    return ApplicationCredentials(
        id=None,
        secret=secret,
        name=values["application_credential_name"],
        username=values.get("username"),
        user_id=values.get("user_id"),
        domain_name=values.get("user_domain_name"),
        domain_id=values.get("user_domain_id"),
    )


def _password(values: Values) -> PasswordCredentials:
    _require_user(values)
    get = values.get
    return PasswordCredentials(
        username=get("username"),
        user_id=get("user_id"),
        domain_name=get("user_domain_name"),
        domain_id=get("user_domain_id"),
        password=required(values, "password"),
    )


def _agency(values: Values) -> AgencyCredentials:
    address = values.get("metadata_url", METADATA_ADDRESS).rstrip("/")
    allowed = is_true(values.get("allow_http")) or address == METADATA_ADDRESS
    require_safe(address, allow_http=allowed, what="the metadata address")
    return AgencyCredentials(address)
