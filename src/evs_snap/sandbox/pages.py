"""Filtering and paging of lists, newest first: Cinder's way, and that of EVS's v5 paths."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic
from urllib.parse import urlencode

from evs_snap.sandbox import faults
from evs_snap.sandbox.records import R
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evs_snap.sandbox.call import Call

Row = dict[str, Any]
"""A record as an answer shows it."""

_INTERNAL_HOST = "https://volume.localdomain.com:8776"
"""EVS prints it, with /v2/, in next links: API reference, querying all disks."""

_FILTERS = {"volumes": ("name", "status"), "snapshots": ("name", "status", "volume_id")}
_WORDS = ("limit", "marker", "all_tenants")
"""``all_tenants`` is for administrators; Cinder ignores it from others."""

_V5_WORDS = ("limit", "marker", "offset", "sort_key", "sort_dir")
_SORT_KEYS = ("created_at", "id", "status", "size")
_MOST_IDS = 60


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some records of a list."""

    records: list[R]
    count: int
    """How many records fit the filters, on whatever page."""

    links: dict[str, list[dict[str, str]]]
    """What stands beside the records: the link of a full page to the next."""


def page(call: Call, records: Iterable[R], *, kind: type[R], path: str | None = None) -> Page[R]:
    """Return the page that the query asks for; a next link names ``path``, else the one asked."""
    query = call.request.query
    filters: tuple[str, ...] = _FILTERS[kind.table]
    _refuse_unknown(query, known=(*filters, *_WORDS))
    found = sorted(records, key=lambda record: (record.created_at, record.id), reverse=True)
    wanted = [(name, query[name]) for name in filters if name in query]
    fits = {r.id for r in found if all(getattr(r, name) == value for name, value in wanted)}
    if "marker" in query:
        found = found[_place(query, [r.id for r in found], noun=kind.noun) :]
    limit = min(_number(query, "limit", default=call.rules.page_maximum), call.rules.page_maximum)
    rows = [record for record in found if record.id in fits][:limit]
    links = {}
    if rows and len(rows) == limit:  # though the next page may be empty
        path = path or f"/{kind.table}{'/detail' if call.is_detail else ''}"
        following = urlencode({**query, "marker": rows[-1].id})
        href = f"{_INTERNAL_HOST}/v2/{ACCOUNT.project_id}{path}?{following}"
        links = {f"{kind.table}_links": [{"rel": "next", "href": href}]}
    return Page(rows, len(fits), links)


def v5_rows(call: Call, rows: Sequence[Row], *, filters: Sequence[str]) -> list[Row]:
    """Return the rows that a query of v5 asks for: by marker or offset, without links.

    https://support.huaweicloud.com/api-evs/ListSnapshotsDetailsV5.html
    """
    query = dict(call.request.query)
    _refuse_unknown(query, known=(*filters, *_V5_WORDS))
    if "ids" in query:
        query.pop("id", None)  # documented: ``ids`` wins
        if query["ids"].count(",") >= _MOST_IDS:
            raise faults.bad_request(f"ids holds more than {_MOST_IDS} IDs")
    key = query.get("sort_key", "created_at")
    if key not in _SORT_KEYS or query.get("sort_dir", "desc") not in {"asc", "desc"}:
        raise faults.bad_request("sort_key or sort_dir is invalid")
    found = sorted(
        rows, key=lambda row: (row.get(key), row["id"]), reverse=query.get("sort_dir") != "asc"
    )
    if "marker" in query:
        found = found[_place(query, [row["id"] for row in found], noun="Marker") :]
    wanted = [(name, query[name]) for name in filters if name in query]
    found = [row for row in found if all(_fits(row, name, value) for name, value in wanted)]
    limit = _number(query, "limit", default=call.rules.page_maximum)
    if not 1 <= limit <= call.rules.page_maximum:
        raise faults.evs("EVS.2142", message=f"limit must be from 1 to {call.rules.page_maximum}")
    return found[_number(query, "offset", default=0) :][:limit]


def v5_count(call: Call, rows: Sequence[Row], *, filters: Sequence[str]) -> int:
    """Return how many rows fit a query of v5 that has filters alone."""
    _refuse_unknown(call.request.query, known=filters)
    wanted = [(name, value) for name, value in call.request.query.items() if value]
    return sum(all(_fits(row, name, value) for name, value in wanted) for row in rows)


def _fits(row: Row, name: str, value: str) -> bool:
    tags: dict[str, str] = row.get("tags") or {}
    if name == "ids":
        return row["id"] in value.split(",")
    if name == "tag_key":
        return value in tags
    if name == "tags":
        return _tags_wanted(value).items() <= tags.items()
    if name == "snapshot_chain_id":
        return any(chain["id"] == value for chain in row["snapshot_chains"])
    if (name, value) == ("enterprise_project_id", "all_granted_eps"):
        return True
    return bool(row[name] == value)


def _tags_wanted(text: str) -> dict[str, str]:
    """Read the filter ``tags``. The documents show two forms of it."""
    try:
        wanted = json.loads(text)
        if isinstance(wanted, list):
            wanted = {tag["key"]: tag["value"] for tag in wanted}
        return dict(wanted)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise faults.bad_request("tags is no JSON object or list of tags") from None


def _refuse_unknown(query: Mapping[str, str], *, known: Iterable[str]) -> None:
    """Refuse a word that is not known: a filter that is ignored lists the whole project."""
    for word in query.keys() - set(known):
        raise faults.bad_request(f"the sandbox does not speak the query {word}")


def _place(query: Mapping[str, str], ids: list[str], *, noun: str) -> int:
    """Return where the rows after the marker begin."""
    if query["marker"] not in ids:
        raise faults.not_found(noun, item=query["marker"])
    return ids.index(query["marker"]) + 1


def _number(query: Mapping[str, str], name: str, *, default: int) -> int:
    try:
        number = int(query.get(name, default))
    except ValueError:
        raise faults.bad_request(f"{name} param must be an integer") from None
    if number < 0:
        raise faults.bad_request(f"{name} param must be positive")
    return number
