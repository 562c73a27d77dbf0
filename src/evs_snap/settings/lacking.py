"""What a user is told where settings are missing: all at once, and only ways that lead on."""

from __future__ import annotations

from collections.abc import Sequence

from evs_snap.errors import ConfigurationError
from evs_snap.settings.credentials import kinds_begun, variable
from evs_snap.settings.named import NamedCloud
from evs_snap.settings.values import Values

_WORDS = {"username": "user", "user_domain_name": "user's domain", "project_name": "project"}
_KEYS = {"region": "region_name"}
_OTHER_WAYS = "Other ways: OS_ACCESS_KEY and OS_SECRET_KEY, or OS_AUTH_TYPE=agency on an ECS."


def missing(keys: Sequence[str], values: Values, *, named: NamedCloud | None) -> ConfigurationError:
    """Return the error for missing settings, given by our keys.

    It names a variable only where setting it would help: beside a named cloud not all count.
    """
    written = {key: _KEYS.get(key, key) for key in keys}
    variables = {
        key: _variable(values, key) for key in keys if named is None or key in named.open_keys
    }
    told = [variables.get(key, written[key]) for key in keys]
    place = f" of cloud {named.cloud.name!r}" if named else ""
    word = _WORDS.get(keys[0], keys[0].replace("_", " "))
    return ConfigurationError(
        f"the {word}{place} is not set: {told[0]} is missing"
        if len(keys) == 1
        else f"settings{place} are missing: {', '.join(told)}",
        details=named.cloud.remarks if named else (),
        hint=" ".join(
            [
                _for_entry([*written.values()], [*variables.values()], named)
                if named
                else f"Set {'it' if len(keys) == 1 else 'them'}, or name a cloud of your "
                "clouds.yaml with --os-cloud NAME.",
                *([] if kinds_begun(values) or "auth_type" in values else [_OTHER_WAYS]),
            ]
        ),
    )


def _for_entry(written: Sequence[str], variables: Sequence[str], named: NamedCloud) -> str:
    path = named.cloud.place.removesuffix(f": {named.cloud.name}")
    hint = f"Add {', '.join(written)} to the entry {named.cloud.name!r} of {path}"
    if variables:
        return f"{hint}; {', '.join(variables)} may come from the environment."
    if named.other:
        return f"{hint}. The environment is not used: its {named.other} is about another sign-in."
    return f"{hint}."


def _variable(values: Values, key: str) -> str:
    if key == "project_name":
        return "OS_PROJECT_NAME (or OS_PROJECT_ID)"
    return variable(values, key)


def nothing_configured(names: Sequence[str]) -> ConfigurationError:
    """Return the error for no cloud at all; ``names`` are those in clouds.yaml."""
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
