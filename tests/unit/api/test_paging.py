"""Lists of any length: whatever the service makes of pages and links, each row comes once."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.api.paging import PAGE_SIZE, Identified, Page, all_pages
from evs_snap.errors import BadAnswerError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVIL = "http://evil.example.com/v3/p/volumes?marker=zzz"


def page(*ids: str, links: Any = None) -> Page[Identified]:
    rows = [{"id": id_} for id_ in ids]
    return Page.of({"volumes": rows, "volumes_links": links}, "volumes", Identified)


def listed(ask: Callable[[Mapping[str, str]], Page[Identified]], **words: Any) -> list[str]:
    pages = all_pages(ask, "volumes", filters={"name": "n", "status": None}, **words)
    return [row.id for page in pages for row in page.rows]


@dataclass
class Paged:
    """A project's disks, in pages of at most ``clamp``, as Cinder serves them."""

    ids: list[str]
    clamp: int
    deleted_on_the_way: bool = False
    asked: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, query: Mapping[str, str]) -> Page[Identified]:
        self.asked.append(query)
        limit = min(int(query["limit"]), self.clamp)
        start = 0
        if "marker" in query:
            if self.deleted_on_the_way:
                self.deleted_on_the_way = False
                self.ids.remove(query["marker"])
            if query["marker"] not in self.ids:
                raise NotFoundError("no marker")
            start = self.ids.index(query["marker"]) + 1
        ids = self.ids[start : start + limit]
        return page(*ids, links=[{"rel": "next", "href": EVIL}] if len(ids) == limit else None)


@given(size=st.integers(0, 40), clamp=st.integers(1, 20) | st.just(5000))
def test_pages_concatenate_to_the_set_and_end(size: int, clamp: int) -> None:
    """Property: also where the last page is full, and where the service clamps our limit."""
    service = Paged([f"id-{number}" for number in range(size)], clamp)
    assert listed(service) == service.ids
    assert len(service.asked) == size // clamp + 1
    assert all(query["name"] == "n" and "status" not in query for query in service.asked)


def test_a_page_as_large_as_asked_for_is_followed_without_any_link() -> None:
    pages = iter([page(*map(str, range(PAGE_SIZE))), page("last")])
    assert len(listed(lambda _: next(pages))) == PAGE_SIZE + 1


LINKS: list[Any] = [[{"rel": "next", "href": EVIL}], [{"href": None}], [{}], "odd", 7, {"a": "b"}]
NO_LINKS: list[Any] = [None, [], "", 0, {}]


@pytest.mark.parametrize("links", [*LINKS, *NO_LINKS], ids=str)
def test_a_link_is_a_sign_and_never_an_address(links: object) -> None:
    """The next page is asked for by the last row's ID, whatever the link says."""
    asked: list[Mapping[str, str]] = []
    pages = iter([page("a", links=links), page()])

    def ask(query: Mapping[str, str]) -> Page[Identified]:
        asked.append(query)
        return next(pages)

    assert listed(ask) == ["a"]
    usual = {"name": "n", "limit": "1000"}
    assert asked == [usual, {**usual, "marker": "a"}][: 1 + (links in LINKS)]


def test_a_row_on_two_pages_counts_once() -> None:
    pages = iter([page("a", "b", links=[{}]), page("b", "c")])
    assert listed(lambda _: next(pages)) == ["a", "b", "c"]


def test_pages_that_do_not_end_are_a_bad_answer() -> None:
    with pytest.raises(BadAnswerError, match="again and again"):
        listed(lambda _: page("a", links=[{}]))
    numbers = count()
    with pytest.raises(BadAnswerError, match="no end after 50 pages"):
        listed(lambda _: page(str(next(numbers)), links=[{}]), most=50)
    assert next(numbers) == 50


def test_a_marker_deleted_meanwhile_starts_the_listing_anew() -> None:
    ids = [f"id-{number}" for number in range(7)]
    assert listed(Paged(list(ids), 3, deleted_on_the_way=True)) == ids


def test_markers_that_are_always_gone_are_an_error_in_the_end() -> None:
    asked = []

    def ask(query: Mapping[str, str]) -> Page[Identified]:
        asked.append(query)
        if "marker" in query:
            raise NotFoundError("no marker")
        return page("a", links=[{}])

    with pytest.raises(NotFoundError):
        listed(ask)
    assert len(asked) == 8
