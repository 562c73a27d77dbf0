"""Lists of any length, page by page, by marker.

The next link of a page is only a sign that there is more. It is never followed: on these
clouds it names an internal host (the samples show volume.localdomain.com:8776 and a
172.28.x.x address), and the token must not go there. Source:
https://docs.otc.t-systems.com/elastic-volume-service/api-ref/, "querying details about all
disks", parameters ``marker`` and ``limit``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field, ValidationError, create_model

from evs_snap.api.models import Snapshot, Volume, VolumeSummary, Wire, put_in_utc, ready
from evs_snap.errors import BadAnswerError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PAGE_SIZE = 1000
"""The largest page EVS grants; more is an error there, not a clamp (EVS.2142)."""

_MOST_PAGES = 10_000
_RESTARTS = 3

Row = TypeVar("Row", Volume, VolumeSummary, Snapshot)


@cache
def _page_model(key: str, model: type[Row]) -> type[BaseModel]:
    rows: Any = GenericAlias(list, model)
    links = Field(default=None, alias=f"{key}_links")
    page = create_model("Page", __base__=Wire, rows=(rows, Field(alias=key)), links=(object, links))
    return ready(page)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page, and whether the service says that there are more."""

    rows: list[Row]
    more: bool

    @classmethod
    def of_json(cls, content: bytes, key: str, model: type[Row]) -> Page[Row] | None:
        """Return the page if all of it is as documented; None if it must be read leniently."""
        try:
            read: Any = _page_model(key, model).model_validate_json(content)
        except ValueError:  # ValidationError is one; pydantic 2.8 itself trips over the year 0
            return None
        put_in_utc(read.rows)
        return cls(read.rows, more=bool(read.links))

    @classmethod
    def of_document(cls, document: Mapping[str, object], key: str, model: type[Row]) -> Page[Row]:
        """Return the page, however odd it is, as long as each row has an ID."""
        rows = document.get(key)
        if not isinstance(rows, list):
            raise BadAnswerError(f"listing {key}: the answer holds no list of {key}")
        try:
            ready(model)
            read = [model.model_validate(row) for row in rows]
        except ValidationError as error:
            raise BadAnswerError(f"listing {key}: one of them has no ID") from error
        return cls(read, more=bool(document.get(f"{key}_links")))


def all_pages(
    ask: Callable[[Mapping[str, str]], Page[Row]],
    key: str,
    *,
    filters: Mapping[str, str | None],
) -> Iterator[list[Row]]:
    """Yield all rows, each once, page by page; ``ask`` fetches the page for a query.

    Raises what ``ask`` raises; BadAnswerError where the pages have no end.
    """
    yielded: set[str] = set()
    seen: set[str] = set()
    restarts = 0
    marker: str | None = None
    for _ in range(_MOST_PAGES):
        asked = {**filters, "limit": str(PAGE_SIZE), "marker": marker}
        try:
            page = ask({k: v for k, v in asked.items() if v is not None})
        except NotFoundError:
            # The last row of a page was deleted before the next page was asked for: begin anew.
            restarts += 1
            if marker is None or restarts > _RESTARTS:
                raise
            marker = None
            seen.clear()
            continue
        rows = {row.id: row for row in page.rows}
        before = len(seen)
        seen.update(rows)
        yield [row for id_, row in rows.items() if id_ not in yielded]
        yielded.update(rows)
        if not page.rows or not (page.more or len(page.rows) >= PAGE_SIZE):
            return
        if len(seen) == before:
            raise BadAnswerError(
                f"listing {key}: the service sends the same page again and again",
                hint="Nothing was changed. Report it to the cloud's support.",
            )
        marker = page.rows[-1].id
    raise BadAnswerError(f"listing {key}: no end after {_MOST_PAGES} pages")


def query_text(query: Mapping[str, str]) -> str:
    """Return the query as it stands in an address."""
    # Bytes that are no UTF-8 name nothing there: "?" finds nothing either.
    return urlencode(query, quote_via=quote, errors="replace")
