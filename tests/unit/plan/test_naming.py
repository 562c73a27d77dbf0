"""What a new snapshot is called: within what EVS takes, with its time, and never a backup's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evs_snap.errors import ConfigurationError
from evs_snap.plan.naming import Template
from evs_snap.plan.request import check_policy
from evs_snap.services.interface import SYSTEM_NAME_PREFIXES, Volume

NOW = datetime(2026, 11, 23, 2, 17, 5, tzinfo=UTC)
ID = "5072a9e5-66eb-42a2-9120-e78b6dbedc9f"
TIMES = {"{utc}": "20261123T021705Z", "{date}": "2026-11-23", "{time}": "021705Z"}
many = settings(max_examples=200, deadline=None)


def named(text: str, volume: str | None = "data-01", *, policy: str = "default") -> str:
    return Template(text).name(Volume(id=ID, name=volume), now=NOW, policy=policy)


# Texts of any character cost time to draw: a short one will do, beside many of the odd ones.
ODD = ("ab", "b" * 40, " ", "\t", "\u202e", "\ud800", "{", "}", "大" * 20)
ANY_TEXT = st.text(max_size=5) | st.lists(st.sampled_from(ODD), max_size=9).map("".join)
PIECES = st.sampled_from(
    ("{volume}", "{id}", "{utc}", "{date}", "{time}", "{policy}", "{{", "-", " ")
)
TEMPLATES = st.lists(PIECES | st.text(max_size=8), min_size=1, max_size=5).map("".join)
LONG = st.tuples(st.sampled_from("a大 "), st.integers(1, 250)).map(
    lambda p: "x" + p[0] * p[1] + "y"
)
NAMES = (
    ANY_TEXT | LONG | LONG | ANY_TEXT.map(lambda text: SYSTEM_NAME_PREFIXES[0] + text) | st.none()
)


@many
@given(TEMPLATES, NAMES, ANY_TEXT)
def test_any_name_is_short_printable_and_no_backups_or_is_refused(
    text: str, volume: str | None, policy: str
) -> None:
    try:
        check_policy(policy)
        name = named(text, volume, policy=policy)
    except ConfigurationError:
        return
    assert 0 < len(name) <= 64
    assert name.isprintable()
    assert name == name.strip()
    assert not name.startswith(SYSTEM_NAME_PREFIXES)


@many
@given(NAMES, st.sampled_from(sorted(TIMES)), st.booleans())
def test_the_time_is_never_cut(
    volume: str | None,
    field: str,
    first: bool,  # noqa: FBT001 - hypothesis gives them in order
) -> None:
    text = f"{field}-{{volume}}" if first else f"{{volume}}-{field}"
    if (volume or "").lstrip().startswith(SYSTEM_NAME_PREFIXES) and not first:
        with pytest.raises(ConfigurationError, match="backup service"):
            named(text, volume)
        return
    name = named(text, volume)
    assert len(name) <= 64
    assert name.startswith(f"{TIMES[field]}-") if first else name.endswith(f"-{TIMES[field]}")
    assert name != f"-{TIMES[field]}"


@pytest.mark.parametrize(
    ("text", "volume", "name"),
    [
        ("{volume}-{utc}", "data-01", "data-01-20261123T021705Z"),
        ("{date} {time} {policy}", "data-01", "2026-11-23 021705Z default"),
        ("{{volume}}", "data-01", "{volume}"),
        ("  {volume}  ", "data-01", "data-01"),
        ("{volume}", "{utc}", "{utc}"),
        ("{volume}", None, ID),
        ("{volume}", " \t\n", ID),
        ("{volume}", "a\x1b[31mb\u202ec\n", "a[31mbc"),
        ("{volume}-{utc}", "x" * 99, "x" * 47 + "-20261123T021705Z"),
        ("{volume}-{utc}", "x" * 46 + "  yz", "x" * 46 + "-20261123T021705Z"),
        ("{volume}", "大" * 70, "大" * 64),
    ],
)
def test_templates_are_filled_in(text: str, volume: str | None, name: str) -> None:
    assert named(text, volume) == name


@pytest.mark.parametrize(
    "text",
    ["", "  ", "{", "}", "{}", "{0}", "{colour}", "{volume!r}", "{utc:>40}", "{volume.name}",
     "{volume[0]}", "{volume:{utc}}", "a\nb", "\x07", "{volume}\u202e"],
)  # fmt: skip
def test_templates_that_cannot_be_are_refused_before_any_disk_is_seen(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--name"):
        Template(text)


@pytest.mark.parametrize("text", ["x" * 65, "{id}{id}", "{id}-{policy}-{utc}-{utc}"])
def test_what_is_too_long_without_the_disks_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="64 is the most"):
        named(text)


@pytest.mark.parametrize("prefix", SYSTEM_NAME_PREFIXES)
def test_a_name_that_begins_like_a_backups_is_refused(prefix: str) -> None:
    for text, volume in ((prefix + "{utc}", "x"), ("{volume}", prefix), (f" {prefix}", "x")):
        with pytest.raises(ConfigurationError, match="backup service"):
            named(text, volume)
    assert named("s-{volume}", prefix) == f"s-{prefix}"
