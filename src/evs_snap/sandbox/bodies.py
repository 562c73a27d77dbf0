"""Request bodies read, or refused in the words of Cinder's JSON schemas."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults

if TYPE_CHECKING:
    from evs_snap.sandbox.wire import Request

_MAX_TEXT = 255
_METADATA_KEY = "^[a-zA-Z0-9-_:. /]{1,255}$"
_MOST_DIGITS = 9


def fields(request: Request, *, key: str, allowed: tuple[str, ...]) -> dict[str, object]:
    """Return the fields under the one key that a body has; others are refused."""
    body = parse(request)
    found = body.get(key) if isinstance(body, dict) else None
    if not isinstance(found, dict):
        raise faults.bad_request(f"'{key}' is a required property, and an object")
    for name, value in found.items():
        if name not in allowed and value is not None:
            raise faults.bad_request(f"the sandbox does not speak {key} {name}")
    return found


def parse(request: Request) -> object:
    """Read the body's JSON, or refuse it."""
    try:
        value: object = json.loads(request.body.decode())  # no other encoding, no mark of one
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be kept
    except (ValueError, RecursionError):
        raise faults.bad_request("Malformed request body") from None
    return value


def text(given: dict[str, object], *, name: str) -> str | None:
    """Return a text, blanks at its ends removed; null stays null."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _invalid(name, value=value, problem=f"{value!r} is not of type 'string', 'null'")
    if len(value) > _MAX_TEXT:
        raise _invalid(name, value=value, problem=f"{value!r} is too long")
    return value.strip()


def flag(given: dict[str, object], *, name: str) -> bool:
    """Return a boolean; false where there is none."""
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise _invalid(name, value=value, problem=f"{value!r} is not of type 'boolean'")
    return value


def size(given: dict[str, object]) -> int:
    """Return the size in GiB."""
    value = given.get("size")
    digits = str(value) if isinstance(value, int | str) else ""
    if not re.fullmatch(f"[0-9]{{1,{_MOST_DIGITS}}}", digits) or int(digits) < 1:
        problem = f"{value!r} is not a positive whole number"
        raise _invalid("size", value=value, problem=problem)
    return int(digits)


def metadata(given: dict[str, object]) -> dict[str, str]:
    """Return metadata: texts by key; null is none."""
    value = given.get("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict):
        problem = f"{value!r} is not of type 'object', 'null'"
        raise _invalid("metadata", value=value, problem=problem)
    for key, entry in value.items():
        if not re.match(_METADATA_KEY, key):
            problem = f"{key!r} does not match any of the regexes: '{_METADATA_KEY}'"
            raise _invalid("metadata", value=value, problem=problem)
        if not isinstance(entry, str):
            raise _invalid(key, value=entry, problem=f"{entry!r} is not of type 'string'")
        if len(entry) > _MAX_TEXT:
            raise _invalid(key, value=entry, problem=f"{entry!r} is too long")
    return value


def _invalid(name: str, *, value: object, problem: str) -> faults.FaultError:
    return faults.bad_request(
        f"Invalid input for field/attribute {name}. Value: {value}. {problem}"
    )
