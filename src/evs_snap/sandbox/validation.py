"""Request bodies read and refused in the words of Cinder's JSON schemas."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from evs_snap.sandbox import faults

if TYPE_CHECKING:
    from collections.abc import Collection

    from evs_snap.sandbox.wire import Request

_MAX_TEXT = 255
_METADATA_KEY = "^[a-zA-Z0-9-_:. /]{1,255}$"
_TRUE: tuple[bool | str, ...] = (True, "True", "TRUE", "true", "1", "ON", "On", "on")
_TRUE += ("YES", "Yes", "yes", "y", "t")
_FALSE: tuple[bool | str, ...] = (False, "False", "FALSE", "false", "0", "OFF", "Off", "off")
_FALSE += ("NO", "No", "no", "n", "f")


def document(request: Request, *, key: str) -> object:
    """Return what stands under the one key that a body has."""
    if not request.body:
        raise faults.broken()
    if not is_json(request):
        raise faults.cinder(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message="Unsupported Content-Type")
    body = parse(request.body)
    if not isinstance(body, dict):
        raise faults.bad_request(f"{body!r} is not of type 'object'")
    if key not in body:
        raise faults.bad_request(f"'{key}' is a required property")
    for name in body:
        if name != key:
            raise faults.bad_request(
                f"Additional properties are not allowed ({name!r} was unexpected)"
            )
    found: object = body[key]
    return found


def is_json(request: Request) -> bool:
    """Tell whether the body is said to be JSON."""
    content_type = request.headers.get("content-type", "").partition(";")[0]
    return content_type.strip().lower() == "application/json"


def parse(body: bytes) -> object:
    """Read JSON, or refuse it."""
    try:
        value: object = json.loads(body.decode())  # no other encoding, and no mark of one
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be kept
    except (ValueError, RecursionError):
        raise faults.bad_request("Malformed request body") from None
    return value


def fields(
    request: Request, *, key: str, allowed: Collection[str] | None = None
) -> dict[str, object]:
    """Return the fields under the key; names not allowed are refused."""
    value = document(request, key=key)
    if not isinstance(value, dict):
        raise invalid(key, value=value, problem=f"{value!r} is not of type 'object'")
    for name in value:
        if allowed is not None and name not in allowed:
            raise invalid(
                key,
                value=value,
                problem=f"Additional properties are not allowed ({name!r} was unexpected)",
            )
    return value


def require(given: dict[str, object], *, key: str, name: str) -> object:
    """Return a field that must be there."""
    if name not in given:
        raise invalid(key, value=given, problem=f"'{name}' is a required property")
    return given[name]


def require_any(given: dict[str, object], *, key: str) -> None:
    """Refuse an object with nothing in it."""
    if not given:
        raise invalid(key, value=given, problem="{} is not valid under any of the given schemas")


def text(value: object, *, name: str) -> str | None:
    """Return a name or description, blanks at its ends removed; null stays null."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid(name, value=value, problem=f"{value!r} is not of type 'string', 'null'")
    if len(value) > _MAX_TEXT:
        raise invalid(name, value=value, problem=f"{value!r} is too long")
    return value.strip()


def identifier(value: object, *, name: str) -> str | None:
    """Return a UUID as it was written."""
    if value is None:
        return None
    try:
        UUID(value if isinstance(value, str) else "")
    except ValueError:
        raise invalid(
            name, value=value, problem=f"{value!r} is not valid under any of the given schemas"
        ) from None
    return str(value)


def flag(value: object, *, name: str) -> bool:
    """Return a boolean, in any of the ways Cinder spells it."""
    if not isinstance(value, bool | str):
        raise invalid(name, value=value, problem=f"{value!r} is not of type 'boolean', 'string'")
    if value not in _TRUE + _FALSE:
        options = [*_TRUE, *_FALSE]
        raise invalid(name, value=value, problem=f"{value!r} is not one of {options}")
    return value in _TRUE


def metadata(
    value: object, *, nullable: bool = True, pattern: str = _METADATA_KEY
) -> dict[str, str]:
    """Return metadata: texts by key; null is none."""
    if value is None and nullable:
        return {}
    if not isinstance(value, dict):
        types = "'object', 'null'" if nullable else "'object'"
        raise invalid("metadata", value=value, problem=f"{value!r} is not of type {types}")
    for key, entry in value.items():
        if not re.match(pattern, key):
            problem = f"{key!r} does not match any of the regexes: '{pattern}'"
            raise invalid("metadata", value=value, problem=problem)
        if not isinstance(entry, str):
            raise invalid(key, value=entry, problem=f"{entry!r} is not of type 'string'")
        if len(entry) > _MAX_TEXT:
            raise invalid(key, value=entry, problem=f"{entry!r} is too long")
    return value


def invalid(name: str, *, value: object, problem: str) -> faults.FaultError:
    """Say what is wrong with one field."""
    return faults.bad_request(
        f"Invalid input for field/attribute {name}. Value: {value}. {problem}"
    )
