"""Lists of any length, page by page, by marker.

The next link of a page is only a sign that there is more. It is never followed: on these
clouds it names an internal host (the samples show volume.localdomain.com:8776 and a
172.28.x.x address), and the token must not go there. Source:
https://docs.otc.t-systems.com/elastic-volume-service/api-ref/, "querying details about all
disks", parameters ``marker`` and ``limit``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from evs_snap.api.wire import Identifier, Wire, ready
from evs_snap.errors import BadAnswerError, NotFoundError

PAGE_SIZE = 1000
"""The largest page EVS grants; more is an error there, not a clamp (EVS.2142)."""

_MOST_PAGES = 10_000
_RESTARTS = 3


class Identified(Wire):
    """A row of a list: it has an ID, by which the next page is asked for."""

    id: Identifier


Row = TypeVar("Row", bound=Identified)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page, and whether the service says that there are more."""

    rows: list[Row]
    more: bool

    @classmethod
    def of(cls, document: Mapping[str, object], key: str, model: type[Row]) -> Page[Row]:
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
    size: int = PAGE_SIZE,
    most: int = _MOST_PAGES,
) -> Iterator[Page[Row]]:
    """Yield all rows, each once, page by page; ``ask`` fetches the page for a query.

    ``size`` is how many rows a page is to have.

    Raises what ``ask`` raises; BadAnswerError where the pages have no end, and after ``most``.
    """
    yielded: set[str] = set()
    seen: set[str] = set()
    restarts = 0
    marker: str | None = None
    for _ in range(most):
        asked = {**filters, "limit": str(size), "marker": marker}
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
        more = bool(page.rows) and (page.more or len(page.rows) >= size)
        yield Page([row for id_, row in rows.items() if id_ not in yielded], more=more)
        yielded.update(rows)
        if not more:
            return
        if len(seen) == before:
            raise BadAnswerError(
                f"listing {key}: the service sends the same page again and again",
                hint="Nothing was changed. Report it to the cloud's support.",
            )
        marker = page.rows[-1].id
    raise BadAnswerError(f"listing {key}: no end after {most} pages")


def query_text(query: Mapping[str, str]) -> str:
    """Return the query as it stands in an address."""
    # Bytes that are no UTF-8 name nothing there: "?" finds nothing either.
    return urlencode(query, quote_via=quote, errors="replace")
