"""Filtering, sorting and paging of lists, with Cinder's answers to bad values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlencode

from evs_snap.sandbox import faults
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evs_snap.sandbox.call import Call

_INTERNAL_HOST = "https://volume.localdomain.com:8776"
"""EVS prints it, with /v2/, in next links: API reference, querying all disks."""

_MAX_OFFSET = 2_147_483_647


class _Record(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=_Record)


def page(
    records: list[R],
    *,
    call: Call,
    kind: str,
    filters: Sequence[str],
    sort_keys: Mapping[str, str],
) -> list[R]:
    """Return the records that the query asks for; ``sort_keys`` maps to attributes."""
    query = call.request.query
    limit = _limit(query, maximum=call.rules.page_maximum)
    offset = _offset(query)
    ordered = _ordered(records, query=query, sort_keys=sort_keys)
    if "marker" in query:
        ids = [record.id for record in ordered]
        if query["marker"] not in ids:
            raise faults.not_found(kind, item=query["marker"])
        ordered = ordered[ids.index(query["marker"]) + 1 :]
    return _matching(ordered, query=query, filters=filters)[offset : offset + limit]


def count(records: list[R], *, call: Call, filters: Sequence[str]) -> int:
    """Return how many records fit the query's filters, on whatever page."""
    return len(_matching(records, query=call.request.query, filters=filters))


def links(rows: Sequence[_Record], *, call: Call, path: str) -> list[dict[str, str]]:
    """Return the next link of a full page, though the next one may be empty.

    Its host is one that nobody outside the cloud can reach, as with EVS.
    """
    query = call.request.query
    if not rows or len(rows) < _limit(query, maximum=call.rules.page_maximum):
        return []
    query["marker"] = rows[-1].id
    href = f"{_INTERNAL_HOST}/v2/{ACCOUNT.project_id}{path}?{urlencode(query)}"
    return [{"rel": "next", "href": href}]


def _matching(records: list[R], *, query: Mapping[str, str], filters: Sequence[str]) -> list[R]:
    wanted = [(name, query[name]) for name in filters if name in query]
    return [
        record
        for record in records
        if all(_is(getattr(record, name), value) for name, value in wanted)
    ]


def _is(found: object, wanted: str) -> bool:
    return found is not None and str(found) == wanted


def _limit(query: Mapping[str, str], *, maximum: int) -> int:
    if "limit" not in query:
        return maximum
    try:
        limit = int(query["limit"])
    except ValueError:
        raise faults.bad_request("limit param must be an integer") from None
    if limit < 0:
        raise faults.bad_request("limit param must be positive")
    return min(limit, maximum)


def _offset(query: Mapping[str, str]) -> int:
    try:
        offset = int(query.get("offset", "0"))
    except ValueError:
        raise faults.bad_request("offset must be an integer") from None
    if offset < 0:
        raise faults.bad_request("offset must be >= 0")
    if offset > _MAX_OFFSET:
        raise faults.bad_request(f"offset must be <= {_MAX_OFFSET}")
    return offset


def _ordered(
    records: list[R], *, query: Mapping[str, str], sort_keys: Mapping[str, str]
) -> list[R]:
    order = _order(query)
    for _, direction in order:
        if direction not in {"asc", "desc"}:
            raise faults.bad_request(
                "Invalid input received: Unknown sort direction, must be 'desc' or 'asc'."
            )
    ordered = records
    for key, direction in reversed(order):
        if key not in sort_keys:
            raise faults.bad_request("Invalid input received: Invalid sort key")
        ordered = sorted(
            ordered,
            key=lambda record: _null_first(getattr(record, sort_keys[key])),
            reverse=direction == "desc",
        )
    return ordered


def _order(query: Mapping[str, str]) -> list[tuple[str, str]]:
    if "sort" not in query:
        key = query.get("sort_key", "created_at")
        order = [(key, query.get("sort_dir", "desc"))]
    elif "sort_key" in query or "sort_dir" in query:
        raise faults.bad_request(
            "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be "
            "used with the 'sort' parameter."
        )
    else:
        parts = (part.strip().partition(":") for part in query["sort"].split(","))
        order = [(key, direction or "desc") for key, _, direction in parts]
    first = order[0][1]
    return [*order, ("created_at", first), ("id", first)]


def _null_first(value: str | int | None) -> tuple[bool, str | int]:
    return (False, 0) if value is None else (True, value)
