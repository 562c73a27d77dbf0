"""JSON and YAML: the same keys and values, whatever stands in them, and safe to look at."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import volume

from evs_snap.plan.slots import Usage
from evs_snap.render.documents import encoded, volume_document

TEXT = st.text(st.characters(), max_size=40)  # lone surrogates among them


@given(name=TEXT, form=st.sampled_from(["json", "yaml"]), ascii_only=st.booleans())
def test_whatever_the_name_it_is_true_and_prints(name: str, form: str, *, ascii_only: bool) -> None:
    document = [volume_document(Usage(volume(name=name), limit=7, used=0))]
    written = encoded(document, form=form, ascii_only=ascii_only)
    assert all(c.isprintable() or c == "\n" for c in written)
    assert written.isascii() or not ascii_only
    (row,) = yaml.safe_load(written) if form == "yaml" else json.loads(written)
    # A pair of surrogates is one character, in JSON as in UTF-16.
    assert row["name"].encode("utf-16", "surrogatepass") == name.encode("utf-16", "surrogatepass")


@given(
    st.lists(st.dictionaries(TEXT, st.none() | st.integers() | TEXT | st.lists(TEXT)), max_size=3)
)
def test_a_list_is_written_a_row_at_a_time_and_looks_as_ever(rows: list[object]) -> None:
    """found: of 10,000 disks the encoder held a million tokens at once, 35 MiB."""
    assert encoded(rows, form="json", ascii_only=True) == json.dumps(rows, indent=2).replace(
        "\x7f", "\\u007f"
    ) + ("\n")


@pytest.mark.parametrize(
    "name", ["1e3", "12e03", "5E10", "0o17", "0x1f", ".5", "1.", "-.inf", "~", "no", "y", "1:20"]
)
def test_a_text_that_looks_like_a_number_is_quoted_for_every_reader(name: str) -> None:
    """found: a disk called 1e3 was the number 1000 to yq, Go and Ruby, which read YAML 1.2."""
    line = encoded([{"name": name}], form="yaml", ascii_only=False)
    assert line == f"- name: '{name}'\n"
