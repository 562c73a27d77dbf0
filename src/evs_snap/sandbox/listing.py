"""Filtering and paging of lists, newest first, with Cinder's answers to bad values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic
from urllib.parse import urlencode

from evs_snap.sandbox import faults, records
from evs_snap.sandbox.records import R
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evs_snap.sandbox.call import Call

_INTERNAL_HOST = "https://volume.localdomain.com:8776"
"""EVS prints it, with /v2/, in next links: API reference, querying all disks."""

_FILTERS = {"volumes": ("name", "status"), "snapshots": ("name", "status", "volume_id")}
_WORDS = ("limit", "marker", "all_tenants")
"""``all_tenants`` is for administrators; of others Cinder ignores it."""


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some records of a list."""

    records: list[R]
    count: int
    """How many records fit the filters, on whatever page."""

    links: dict[str, list[dict[str, str]]]
    """What stands beside the records: the link of a full page to the next."""


def page(call: Call, kind: type[R], *, path: str) -> Page[R]:
    """Return the page that the query asks for; ``path`` is what the next link names."""
    query = call.request.query
    filters: tuple[str, ...] = _FILTERS[kind.table]
    for word in query.keys() - {*filters, *_WORDS}:
        raise faults.bad_request(f"the sandbox does not speak the query {word}")
    found = sorted(
        records.all_of(call, kind), key=lambda record: (record.created_at, record.id), reverse=True
    )
    wanted = [(name, query[name]) for name in filters if name in query]
    fits = {r.id for r in found if all(getattr(r, name) == value for name, value in wanted)}
    if "marker" in query:
        ids = [record.id for record in found]
        if query["marker"] not in ids:
            raise faults.not_found(kind.noun, item=query["marker"])
        found = found[ids.index(query["marker"]) + 1 :]
    limit = _limit(query, maximum=call.rules.page_maximum)
    rows = [record for record in found if record.id in fits][:limit]
    links = {}
    if rows and len(rows) == limit:  # though the next page may be empty
        following = urlencode({**query, "marker": rows[-1].id})
        href = f"{_INTERNAL_HOST}/v2/{ACCOUNT.project_id}{path}?{following}"
        links = {f"{kind.table}_links": [{"rel": "next", "href": href}]}
    return Page(rows, len(fits), links)


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
