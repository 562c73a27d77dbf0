"""`man evs-snap`: the page in the wheel is the one that the definitions make."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from shutil import which

import pytest

from evs_snap.cli import root
from evs_snap.cli.manual import manual

PAGE = Path(__file__).parents[2] / ".github" / "docs" / "evs-snap.1"
WRITE = "WRITE_PAGES"
"""Set, it has the tests write what they would compare: see CONTRIBUTING."""


def test_the_page_is_what_the_definitions_make() -> None:
    made = manual(root, program="evs-snap")
    if os.environ.get(WRITE):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, f"run this test once with {WRITE}=1"


@pytest.mark.skipif(which("groff") is None, reason="groff is not on this machine")
def test_groff_has_nothing_to_say_of_it() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(PAGE)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stderr == ""
    assert "--keep-daily N" in re.sub(".\x08", "", done.stdout), "bold is a letter typed twice"
