"""JSON and YAML: the same keys and values, in ASCII, whatever stands in them."""

from __future__ import annotations

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import volume

from evs_snap.errors import EvsSnapError
from evs_snap.plan.slots import Usage
from evs_snap.render.documents import error_document, to_json, to_yaml, volume_document

TEXT = st.text(st.characters(), max_size=40)  # lone surrogates among them


@given(name=TEXT)
def test_whatever_the_name_it_is_true_in_ascii(name: str) -> None:
    written = to_json([volume_document(Usage(volume(name=name), limit=7, used=0))])
    assert written.isascii()
    stored = json.loads(written)[0]["name"]
    # A pair of surrogates is one character, in JSON as in UTF-16.
    assert stored.encode("utf-16", "surrogatepass") == name.encode("utf-16", "surrogatepass")


@given(
    st.lists(st.dictionaries(TEXT, st.none() | st.integers() | TEXT | st.lists(TEXT)), max_size=3)
)
def test_a_list_is_written_a_row_at_a_time_and_looks_as_ever(rows: list[object]) -> None:
    """found: of 10,000 disks the encoder held a million tokens at once, 35 MiB."""
    assert to_json(rows) == json.dumps(rows, indent=2) + "\n"


@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_yaml_holds_what_json_holds(name: str) -> None:
    document = [volume_document(Usage(volume(name=name), limit=7, used=0))]
    written = to_yaml(document)
    assert written.isascii()
    assert yaml.safe_load(written) == json.loads(to_json(document))


@given(message=TEXT, hint=TEXT)
def test_errors_keep_their_words(message: str, hint: str) -> None:
    document = error_document(EvsSnapError(message, hint=hint))
    assert document is not None
    assert (document["message"], document["hint"]) == (message, hint)
    assert to_json(document).isascii()
