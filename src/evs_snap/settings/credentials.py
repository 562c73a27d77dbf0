"""The kinds of sign-in, what each needs, and which of them the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Self

from evs_snap.errors import ConfigurationError
from evs_snap.settings.addresses import require_safe
from evs_snap.settings.values import Values

METADATA_ADDRESS = "http://169.254.169.254"
"""Where an ECS gets the keys of its agency, by plain http: the link is the machine's own.

Source: https://support.huaweicloud.com/intl/en-us/usermanual-ecs/ecs_03_0166.html
"""

Body = Mapping[str, object]
"""The part ``auth.identity`` of Keystone's request for a token.

Source: https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
"""


class Kind:
    """What differs between the kinds of sign-in; each kind is a record of its own."""

    __slots__ = ()

    kind: ClassVar[str]
    """Its name, for people."""
    auth_types: ClassVar[tuple[str, ...]]
    """Its names in OS_AUTH_TYPE, the usual one first."""
    parts: ClassVar[tuple[tuple[str, ...], ...]]
    """The settings of this kind alone. Of each tuple one is needed."""
    extra: ClassVar[tuple[str, ...]] = ()
    """More settings of this kind alone, which are not needed."""
    secret: ClassVar[str] = ""
    """The setting that is its secret."""
    signs: ClassVar[bool] = False
    """True: each request is signed, with the time. False: each request carries a token."""
    has_project: ClassVar[bool] = False
    """Whether it belongs to one project, so that none need be set."""

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """Return all settings that belong to this kind alone."""
        return (*(key for part in cls.parts for key in part), *cls.extra)

    @classmethod
    def lacking_parts(cls, values: Values) -> list[str]:
        """Return which settings of this kind alone are missing."""
        return [part[0] for part in cls.parts if not values.keys() & {*part}]

    @classmethod
    def lacking(cls, values: Values) -> list[str]:
        """Return which settings are missing."""
        return cls.lacking_parts(values)

    @classmethod
    def begun(cls, values: Values) -> bool:
        """Whether at least one setting of this kind alone is given."""
        return bool(values.keys() & {*cls.settings()})


@dataclass(frozen=True, slots=True)
class User:
    """A Keystone user: by ID, or by name and domain."""

    name: str | None = None
    id: str | None = None
    domain_name: str | None = None
    domain_id: str | None = None

    @classmethod
    def read(cls, values: Values) -> Self:
        """Return the user that the settings name."""
        keys = ("username", "user_id", "user_domain_name", "user_domain_id")
        return cls(*(values.get(key) for key in keys))

    @staticmethod
    def lacking(values: Values) -> list[str]:
        """Return which settings are missing to name a user."""
        if "user_id" in values:
            return []
        has_domain = values.keys() & {"user_domain_name", "user_domain_id"}
        missing = [] if "username" in values else ["username"]
        return missing if has_domain else [*missing, "user_domain_name"]

    @property
    def reference(self) -> dict[str, object]:
        """The user as Keystone's API names one."""
        if self.id:
            return {"id": self.id}
        return {"name": self.name, "domain": reference(self.domain_id, self.domain_name)}


def reference(id_: str | None, name: str | None) -> dict[str, str | None]:
    """Return a domain or project as Keystone's API names one: by its ID if it is known."""
    return {"id": id_} if id_ else {"name": name}


@dataclass(frozen=True, slots=True)
class PasswordCredentials(Kind):
    """A Keystone user and password."""

    user: User
    password: str = field(repr=False)

    kind: ClassVar[str] = "password"
    auth_types: ClassVar[tuple[str, ...]] = ("password", "v3password")
    parts: ClassVar[tuple[tuple[str, ...], ...]] = (("username", "user_id"), ("password",))
    secret: ClassVar[str] = "password"  # noqa: S105 - the name of a setting

    @classmethod
    def lacking(cls, values: Values) -> list[str]:
        """Return which settings are missing."""
        return [*User.lacking(values), *(["password"] if "password" not in values else [])]

    @classmethod
    def read(cls, values: Values) -> Self:
        """Return the credentials of settings that lack nothing."""
        return cls(User.read(values), values["password"])

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return (self.password,)

    @property
    def identity(self) -> Body:
        """What proves the user to Keystone."""
        user = self.user.reference | {"password": self.password}
        return {"methods": ["password"], "password": {"user": user}}


@dataclass(frozen=True, slots=True)
class TokenCredentials(Kind):
    """A token that was made elsewhere; it cannot be renewed."""

    token: str = field(repr=False)
    user: User = User()

    kind: ClassVar[str] = "token"
    auth_types: ClassVar[tuple[str, ...]] = ("token", "v3token")
    parts: ClassVar[tuple[tuple[str, ...], ...]] = (("token",),)
    secret: ClassVar[str] = "token"  # noqa: S105 - the name of a setting

    @classmethod
    def read(cls, values: Values) -> Self:
        """Return the credentials of settings that lack nothing."""
        return cls(values["token"])

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return (self.token,)

    @property
    def identity(self) -> Body:
        """What proves the user to Keystone."""
        return {"methods": ["token"], "token": {"id": self.token}}


@dataclass(frozen=True, slots=True)
class ApplicationCredentials(Kind):
    """A Keystone application credential, by its ID, or by its name and its user.

    It belongs to one project.
    Source: https://docs.openstack.org/keystone/latest/user/application_credentials.html
    """

    id: str | None
    application_secret: str = field(repr=False)
    name: str | None = None
    user: User = User()

    kind: ClassVar[str] = "application credential"
    auth_types: ClassVar[tuple[str, ...]] = ("v3applicationcredential",)
    parts: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("application_credential_id", "application_credential_name"),
        ("application_credential_secret",),
    )
    secret: ClassVar[str] = "application_credential_secret"  # noqa: S105 - the name of a setting
    has_project: ClassVar[bool] = True

    @classmethod
    def lacking(cls, values: Values) -> list[str]:
        """Return which settings are missing."""
        by_name = "application_credential_name" in values
        by_id = "application_credential_id" in values
        user = User.lacking(values) if by_name and not by_id else []
        return [*cls.lacking_parts(values), *user]

    @classmethod
    def read(cls, values: Values) -> Self:
        """Return the credentials of settings that lack nothing."""
        id_, secret = values.get("application_credential_id"), values[cls.secret]
        if id_:
            return cls(id_, secret)
        return cls(None, secret, values["application_credential_name"], User.read(values))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return (self.application_secret,)

    @property
    def identity(self) -> Body:
        """What proves the application to Keystone."""
        named = {"id": self.id} if self.id else {"name": self.name, "user": self.user.reference}
        return {
            "methods": ["application_credential"],
            "application_credential": {"secret": self.application_secret, **named},
        }


@dataclass(frozen=True, slots=True)
class Keys(Kind):
    """An access key and its secret key. Temporary ones have a security token and an end (UTC)."""

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    kind: ClassVar[str] = "AK/SK"
    auth_types: ClassVar[tuple[str, ...]] = ("aksk",)
    parts: ClassVar[tuple[tuple[str, ...], ...]] = (("access_key",), ("secret_key",))
    extra: ClassVar[tuple[str, ...]] = ("security_token",)
    secret: ClassVar[str] = "secret_key"  # noqa: S105 - the name of a setting
    signs: ClassVar[bool] = True

    @classmethod
    def read(cls, values: Values) -> Self:
        """Return the credentials of settings that lack nothing."""
        return cls(values["access_key"], values["secret_key"], values.get("security_token"))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return (self.secret_key, *((self.security_token,) if self.security_token else ()))


@dataclass(frozen=True, slots=True)
class AgencyCredentials(Kind):
    """The machine's own agency: temporary keys from the metadata address."""

    address: str = METADATA_ADDRESS

    kind: ClassVar[str] = "ECS agency"
    auth_types: ClassVar[tuple[str, ...]] = ("agency",)
    parts: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[tuple[str, ...]] = ("auth_type", "metadata_url")
    signs: ClassVar[bool] = True
    secrets: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def begun(cls, values: Values) -> bool:
        """Whether the agency is asked for; it is never guessed."""
        return values.get("auth_type") in cls.auth_types

    @classmethod
    def read(cls, values: Values) -> Self:
        """Return the address to ask. Raises ConfigurationError for one that is not safe."""
        address = values.get("metadata_url", METADATA_ADDRESS).rstrip("/")
        allowed = values.is_true("allow_http") or address == METADATA_ADDRESS
        require_safe(address, allow_http=allowed, what="the metadata address")
        return cls(address)


KeystoneCredentials = PasswordCredentials | TokenCredentials | ApplicationCredentials
Credentials = KeystoneCredentials | Keys | AgencyCredentials
CredentialsType = (
    type[PasswordCredentials]
    | type[TokenCredentials]
    | type[ApplicationCredentials]
    | type[Keys]
    | type[AgencyCredentials]
)

KINDS: tuple[CredentialsType, ...] = (
    PasswordCredentials,
    TokenCredentials,
    Keys,
    ApplicationCredentials,
    AgencyCredentials,
)
AUTH_TYPES: Mapping[str, CredentialsType] = {
    name: kind for kind in KINDS for name in kind.auth_types
}


def kinds_begun(values: Values) -> list[CredentialsType]:
    """Return the kinds of sign-in of which at least one setting is given."""
    return [kind for kind in KINDS if kind.begun(values)]


def choose_kind(values: Values) -> CredentialsType:
    """Return the kind of sign-in that the settings ask for, or give completely.

    An entry of clouds.yaml with a complete password and keys beside it signs in by password:
    the keys may be for object storage. Raises ConfigurationError where several kinds are
    complete and OS_AUTH_TYPE does not choose, and where several are begun and none is complete.
    """
    asked = values.get("auth_type")
    if asked is not None:
        if asked not in AUTH_TYPES:
            known = ", ".join(kind.auth_types[0] for kind in KINDS)
            raise ConfigurationError(
                f"{values.told('auth_type')} asks for {asked!r}, which evs-snap does not know",
                hint=f"Known: {known}.",
            )
        return AUTH_TYPES[asked]
    begun = kinds_begun(values)
    complete = [kind for kind in begun if not kind.lacking_parts(values)]
    if complete == [PasswordCredentials, Keys] and _same_entry(values, "password", "access_key"):
        return PasswordCredentials
    if len(complete) > 1:
        told = "; ".join(f"{kind.kind} ({_origins(values, kind)})" for kind in complete)
        names = " or ".join(kind.auth_types[0] for kind in complete)
        raise ConfigurationError(
            f"several ways to sign in are given: {told}",
            hint=f"Unset all but one, or choose: OS_AUTH_TYPE, or auth_type in clouds.yaml, "
            f"is {names}.",
        )
    if not complete and len(begun) > 1:
        told = "; ".join(
            f"{kind.kind} ({_origins(values, kind)}) lacks "
            + " and ".join(variable(values, key) for key in kind.lacking_parts(values))
            for kind in begun
        )
        raise ConfigurationError(
            f"no way to sign in is complete: {told}", hint="Complete one, and unset the other."
        )
    return (complete or begun or [PasswordCredentials])[0]


def variable(values: Values, key: str) -> str:
    """Return the variable for a setting; for half a pair of keys, that of the same vendor."""
    partner = {"access_key": "secret_key", "secret_key": "access_key"}.get(key, "")
    known = _PARTNERS.get(values.origins.get(partner, ""))
    return known or _VARIABLES.get(key, f"OS_{key.upper()}")


_PARTNERS = {
    "HUAWEICLOUD_SDK_AK": "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_SK": "HUAWEICLOUD_SDK_AK",
    "HW_ACCESS_KEY": "HW_SECRET_KEY",
    "HW_SECRET_KEY": "HW_ACCESS_KEY",
}
_VARIABLES = {"region": "OS_REGION_NAME", "endpoint": "OS_VOLUME_ENDPOINT_OVERRIDE"}


def _same_entry(values: Values, *keys: str) -> bool:
    """Whether these settings stand in one entry of clouds.yaml."""
    places = {values.origins[key] for key in keys}
    return len(places) == 1 and not places & {values.names.get(key) for key in keys}


def _origins(values: Values, kind: CredentialsType) -> str:
    keys = (key for part in kind.parts for key in part)
    return " and ".join(sorted({values.origins[k] for k in keys if k in values}))
