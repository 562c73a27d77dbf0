"""Text for terminals: what strangers wrote cannot move a cursor, and nothing gets lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import DAY, HOUR, MINUTE, NOW, SECOND

from evs_snap.render.text import age, fold, printable, width


@given(text=st.text(st.characters()).map(printable), size=st.integers(2, 30))
def test_folding_keeps_within_the_size_and_loses_blanks_only(text: str, size: int) -> None:
    lines = fold(text, size)
    assert all(width(line) <= size for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Set the OS_PASSWORD", ["Set the", "OS_PASSWORD"]),
        ("data-01-20261123T021700Z", ["data-01-", "20261123T021700Z"]),
        ("abcdefghijklmnopqrstu", ["abcdefghijklmnop", "qrstu"]),
    ],
)
def test_a_line_ends_between_words_before_it_ends_inside_one(text: str, lines: list[str]) -> None:
    """found: `doctor` on 80 columns told of OS_ and PASSWORD in two lines."""
    assert fold(text, 16) == lines


@given(text=st.text(st.characters()))
def test_what_is_printable_stays_as_it_is_and_the_rest_becomes_ascii(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (0 * SECOND, "0s ago"), (59 * SECOND, "59s ago"), (MINUTE, "1m ago"),
        (HOUR - SECOND, "59m ago"), (HOUR, "1h ago"), (DAY, "1d ago"), (-MINUTE, "in future"),
    ],
)  # fmt: skip
def test_an_age_is_told_in_its_largest_unit(ago: object, told: str) -> None:
    assert age(NOW - ago, now=NOW) == told  # type: ignore[operator]  # a timedelta
