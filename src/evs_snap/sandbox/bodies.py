"""Request bodies read, or refused in the words of Cinder's JSON schemas."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evs_snap.sandbox.call import Request

_MAX_TEXT = 255
_METADATA_KEY = "^[a-zA-Z0-9-_:. /]{1,255}$"
_MOST_DIGITS = 9
_TAG_KEY = "[A-Za-z0-9_\u4e00-\u9fff-]{1,36}"
_TAG_VALUE = "[A-Za-z0-9_.\u4e00-\u9fff-]{0,43}"
"""https://support.huaweicloud.com/api-evs/CreateSnapshotV5.html"""

_MOST_TAGS = 20
"""https://support.huaweicloud.com/productdesc-evs/evs_01_0085.html"""


def fields(request: Request, *, key: str, allowed: Iterable[str]) -> dict[str, object]:
    """Return the fields under the one key that a body has; refuse those not ``allowed``."""
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
        value: object = json.loads(request.body.decode())  # UTF-8 alone, without a BOM
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be stored
    except (ValueError, RecursionError):
        raise faults.bad_request("Malformed request body") from None
    return value


def text(given: dict[str, object], *, name: str, longest: int = _MAX_TEXT) -> str | None:
    """Return a text without blanks at its ends; null stays null."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _invalid(name, value=value, problem=f"{value!r} is not of type 'string', 'null'")
    if len(value) > longest:
        raise _invalid(name, value=value, problem=f"{value!r} is too long")
    return value.strip()


def flag(given: dict[str, object], *, name: str, default: bool = False) -> bool:
    """Return a boolean, ``default`` where it is left out."""
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise _invalid(name, value=value, problem=f"{value!r} is not of type 'boolean'")
    return value


def whole_number(given: dict[str, object], *, name: str, most: int = 10**9 - 1) -> int:
    """Return a number from 1 to ``most``, written as a number or as a text."""
    value = given.get(name)
    digits = str(value) if isinstance(value, int | str) else ""
    if not re.fullmatch(f"[0-9]{{1,{_MOST_DIGITS}}}", digits) or not 1 <= int(digits) <= most:
        problem = f"{value!r} is not a positive whole number up to {most}"
        raise _invalid(name, value=value, problem=problem)
    return int(digits)


def texts(given: dict[str, object], *, name: str) -> list[str]:
    """Return a list of texts, each once; null is empty."""
    value = given.get(name) or []
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise _invalid(name, value=value, problem=f"{value!r} is not a list of strings")
    return list(dict.fromkeys(value))


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


def tags(value: object) -> dict[str, str]:
    """Return tags, texts by key, as many and such as EVS takes; null is none."""
    found = value or {}
    if not isinstance(found, dict) or len(found) > _MOST_TAGS:
        problem = f"not an object of at most {_MOST_TAGS} tags"
        raise _invalid("tags", value=value, problem=problem)
    for key, entry in found.items():
        fits = isinstance(entry, str) and re.fullmatch(_TAG_VALUE, entry)
        if not fits or not re.fullmatch(_TAG_KEY, key):
            problem = f"keys must match {_TAG_KEY!r}, values {_TAG_VALUE!r}"
            raise _invalid("tags", value={key: entry}, problem=problem)
    return found


def tag_list(request: Request) -> dict[str, str]:
    """Return the tags of a body that lists them: ``{"tags": [{"key", "value"}]}``."""
    body = parse(request)
    found = body.get("tags") if isinstance(body, dict) else None
    if not isinstance(found, list) or not all(isinstance(tag, dict) for tag in found):
        raise faults.bad_request("'tags' is a required property, and a list of objects")
    return tags({str(tag.get("key")): tag.get("value") or "" for tag in found})


def _invalid(name: str, *, value: object, problem: str) -> faults.FaultError:
    return faults.bad_request(
        f"Invalid input for field/attribute {name}. Value: {value}. {problem}"
    )
