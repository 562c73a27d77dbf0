"""The picture in README is of a real run."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from evs_snap import cli

if TYPE_CHECKING:
    import pytest
    from tests.conftest import FakeClock

PICTURE = Path(__file__).parents[2] / ".github" / "docs" / "picture.svg"
WRITE = "WRITE_PAGES"
"""Set, it has the tests write what they would compare: see CONTRIBUTING."""

LINES = (
    "evs-snap --sandbox volumes -c Name -c Status -c Snapshots -c Newest",
    "evs-snap --sandbox rotate data-02 --keep-last 2 -c Volume -c Action -c Reason",
    "evs-snap --sandbox show full-01 --keep-daily 4",
)


def words(svg: str) -> list[str]:
    """Return the texts of a picture: versions of rich differ in all else."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return " ".join(unescape(text).replace("\xa0", " ") for text in texts).split()


def test_it_shows_what_is_printed(
    fake: FakeClock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    console = Console(
        file=io.StringIO(), width=80, record=True, force_terminal=True, color_system="standard"
    )
    for line in LINES:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        cli.run([*shlex.split(line)[1:], "--color", "always"], clock=fake.clock)
        shown = capsys.readouterr().out
        assert shown
        console.print(Text.from_ansi(f"$ {line.replace(' --sandbox', '')}\n{shown}"))
    made = console.export_svg(title="evs-snap", unique_id="evs-snap")
    if os.environ.get(WRITE):
        PICTURE.write_text(made, encoding="utf-8")
    assert words(PICTURE.read_text(encoding="utf-8")) == words(made), f"run with {WRITE}=1"
