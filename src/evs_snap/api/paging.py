"""Lists of any length, page by page, by marker.

The next link of a page is only a sign that there is more. It is never followed: on these
clouds it names an internal host (the samples show volume.localdomain.com:8776 and a
172.28.x.x address), and the token must not go there. Source:
https://docs.otc.t-systems.com/elastic-volume-service/api-ref/, "querying details about all
disks", parameters ``marker`` and ``limit``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from evs_snap.api.models import Snapshot, Volume, VolumeSummary
from evs_snap.errors import BadAnswerError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGE_SIZE = 1000
"""The largest page EVS grants; more is an error there, not a clamp (EVS.2142)."""

_MOST_PAGES = 10_000
_RESTARTS = 3

Row = TypeVar("Row", Volume, VolumeSummary, Snapshot)


class _MarkerGoneError(Exception):
    def __init__(self, reason: NotFoundError) -> None:
        super().__init__(reason.message)
        self.reason = reason


def all_rows(
    ask: Callable[[Mapping[str, str]], dict[str, object]],
    key: str,
    model: type[Row],
    *,
    filters: Mapping[str, str | None],
) -> list[Row]:
    """Return all rows under ``key``, each once; ``ask`` fetches the page for a query.

    Raises what ``ask`` raises; BadAnswerError where the pages have no end or no rows in them.
    """
    restarts = 0
    while True:
        try:
            return _walk(ask, key, model, filters=filters)
        except _MarkerGoneError as gone:
            # The last row of a page was deleted before the next page was asked for.
            restarts += 1
            if restarts > _RESTARTS:
                raise gone.reason from gone


def query_text(query: Mapping[str, str]) -> str:
    """Return the query as it stands in an address."""
    # Bytes that are no UTF-8 name nothing there: "?" finds nothing either.
    return urlencode(query, quote_via=quote, errors="replace")


def _walk(
    ask: Callable[[Mapping[str, str]], dict[str, object]],
    key: str,
    model: type[Row],
    *,
    filters: Mapping[str, str | None],
) -> list[Row]:
    found: dict[str, Row] = {}
    marker: str | None = None
    for _ in range(_MOST_PAGES):
        asked = {**filters, "limit": str(PAGE_SIZE), "marker": marker}
        try:
            document = ask({k: v for k, v in asked.items() if v is not None})
        except NotFoundError as error:
            if marker is None:
                raise
            raise _MarkerGoneError(error) from error
        rows = _parsed(document, key, model)
        before = len(found)
        found.update((row.id, row) for row in rows if row.id not in found)
        more = bool(document.get(f"{key}_links")) or len(rows) >= PAGE_SIZE
        if not rows or not more:
            return list(found.values())
        if len(found) == before:
            raise BadAnswerError(
                f"listing {key}: the service sends the same page again and again",
                hint="Nothing was changed. Report it to the cloud's support.",
            )
        marker = rows[-1].id
    raise BadAnswerError(f"listing {key}: no end after {_MOST_PAGES} pages")


def _parsed(document: dict[str, object], key: str, model: type[Row]) -> list[Row]:
    rows = document.get(key)
    if not isinstance(rows, list):
        raise BadAnswerError(f"listing {key}: the answer holds no list of {key}")
    try:
        return [model.model_validate(row) for row in rows]
    except ValidationError as error:
        raise BadAnswerError(f"listing {key}: one of them has no ID") from error
