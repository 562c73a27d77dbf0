"""A cloud that was named: its entry in clouds.yaml, and what the environment may add to it."""

from __future__ import annotations

from dataclasses import dataclass

from evs_snap.errors import ConfigurationError
from evs_snap.settings.addresses import iam_url, same_address
from evs_snap.settings.clouds import Cloud
from evs_snap.settings.credentials import AUTH_TYPES, KINDS, CredentialsType, kinds_begun
from evs_snap.settings.sources import OWN_VARIABLES, from_cloud
from evs_snap.settings.values import ALTERNATIVES, Values

_USER_DOMAIN = frozenset({"user_domain_name", "user_domain_id"})
_SIGN_IN = _USER_DOMAIN.union({"auth_type"}, *(kind.settings() for kind in KINDS))
_SELECTION = frozenset({"region"}.union(*ALTERNATIVES[3:5]))
_OWN = frozenset(OWN_VARIABLES)


@dataclass(frozen=True, slots=True)
class NamedCloud:
    """The settings of a named cloud, and which more of them the environment could set.

    ``other`` is the variable that shows that the environment is about another sign-in.
    """

    cloud: Cloud
    values: Values
    open_keys: frozenset[str]
    other: str | None = None


def of_named_cloud(
    cloud: Cloud, *, environment: Values, by_option: bool, region: str | None
) -> NamedCloud:
    """Return the settings of a named cloud with those of the environment that complete it.

    Who we are, where to go and whom to trust come from the cloud's entry. The environment only
    completes its sign-in (a password that the entry leaves out), chooses among the ways to sign
    in that the entry gives (OS_AUTH_TYPE), and sets region and project. ``region`` is that of
    the command line.

    An environment that is about another sign-in (another OS_AUTH_URL, user, secret or kind of
    sign-in) adds nothing: its secrets are for another cloud. The option --os-cloud
    (``by_option``) passes it over; else it is a ConfigurationError.
    """
    compared = region or cloud.own_region() or _known(cloud, environment.get("region"))
    entry = from_cloud(cloud, region=compared)
    other = _about_another_sign_in(environment, entry, region=compared)
    if other and not by_option:
        raise ConfigurationError(
            f"cloud {cloud.name!r} (OS_CLOUD, or the only one in the file) and "
            f"{environment.origins[other]} are about two different sign-ins",
            hint="Unset one of them, or choose the cloud with --os-cloud, which counts alone.",
        )
    if other:
        values = from_cloud(cloud, region=region).replaced_by(environment.only(_OWN))
        return NamedCloud(cloud, values, frozenset(), environment.origins[other])
    entry = from_cloud(cloud, region=region or environment.get("region"))
    completing = _completing(entry, asked=environment.get("auth_type", ""))
    whole = environment.only(completing).replaced_by(entry)
    whole = whole.replaced_by(environment.only(_SELECTION | _OWN))
    return NamedCloud(cloud, whole, completing | _SELECTION)


def _completing(entry: Values, *, asked: str) -> frozenset[str]:
    """Return the settings that the environment may add to the entry's sign-in.

    They are those of the kinds that the entry begins; of any kind where it begins none.
    """
    begun = kinds_begun(entry)
    if not begun:
        return _SIGN_IN
    keys = _USER_DOMAIN.union(*(kind.settings() for kind in begun)) - {"auth_type"}
    chooses = "auth_type" not in entry and AUTH_TYPES.get(asked) in begun
    return keys | {"auth_type"} if chooses else keys


def _known(cloud: Cloud, region: str | None) -> str | None:
    try:
        return cloud.region(region)[0]
    except ConfigurationError:  # not one of this cloud's regions
        return None


def _about_another_sign_in(environment: Values, entry: Values, *, region: str | None) -> str | None:
    """Return the setting that shows that the environment is not about this cloud."""
    if "auth_url" in environment and not same_address(
        environment["auth_url"], _identity_address(entry, region=region)
    ):
        return "auth_url"
    for key in sorted(_SIGN_IN - {"auth_type"}):
        if key in environment and entry.get(key, environment[key]) != environment[key]:
            return key
    begun = kinds_begun(entry)
    offered: dict[CredentialsType, str] = {
        kind: kind.secret for kind in KINDS if kind.secret in environment
    }
    if environment.get("auth_type") == "agency":
        offered[AUTH_TYPES["agency"]] = "auth_type"
    return next((key for kind, key in offered.items() if begun and kind not in begun), None)


def _identity_address(entry: Values, *, region: str | None) -> str:
    """Return the address of the cloud's IAM; empty where it is not known."""
    if "auth_url" in entry:
        return entry["auth_url"].replace("{region_name}", region or "")
    try:
        return iam_url(region or entry.get("region", ""))
    except ConfigurationError:
        return ""
