"""Whatever stands on a command line: a documented exit code, and no traceback."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evs_snap import cli
from evs_snap.cli import root
from evs_snap.cli.parameters import Option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock

EXAMPLES = int(os.environ.get("EVS_SNAP_EXAMPLES", "500"))
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8}
CONTEXT = click.Context(root)
COMMANDS = sorted(set(root.list_commands(CONTEXT)) - {"sandbox"})  # it would serve for ever
OPTIONS = {
    name: [param for param in command.params if isinstance(param, click.Option)]
    for name in COMMANDS
    if (command := root.get_command(CONTEXT, name))
}
VARIABLES = sorted(
    {
        variable
        for name, options in OPTIONS.items()
        for option in options
        if isinstance(option, Option) and option.name != "as_name"  # which makes a disk
        for variable in option.variables(f"EVS_SNAP_{name.upper()}")
    }
)
OURS = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"
"""A snapshot of data-02 that carries our stamp."""
OUTWARD = {"ping", "metrics"}
"""Options that name a file to write or a host to call: of these only harmless ones."""

HOLDS = st.sampled_from(["true", "false", "echo READY; cat > /dev/null", "sleep 0.01; echo READY"])
"""What a shell is given: nothing that is made up at random."""

# All that an operating system lets through: no NUL, and bytes that are no text as surrogates.
any_text = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
    max_size=300,
)
likely = st.sampled_from(
    ["data-01", "full-01", "broken-01", "shared-name", "data-*", "*", "[", "1", "0", "-1", "7",
     "1e9", "9" * 30, "15m", "1h30m", "25h", "0s", "day", "week", "k=v", "=", "k=", "0/2", "/4",
     "2/2", "json", "csv", "yaml", "value", "ID", "Name", "{name}-{utc}", "{", "{0}", "{name!r}",
     "{name:>999999999}", "{nobody}", "%s", "\x1b[31m", "9d1b20c9", "available", "refuse",
     "replace", "bash", "2026-11-23", "http://127.0.0.1:1/", "metrics.prom", "."]
)  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Make a line of a command, some of its options, and words."""
    command = draw(st.sampled_from(COMMANDS))
    line = [command]
    for option in draw(st.lists(st.sampled_from(OPTIONS[command]), max_size=6)):
        line.append(draw(st.sampled_from(option.opts)))
        if option.name == "hold":
            line.append(draw(HOLDS))
        elif not option.is_flag and not option.count:
            line.append(draw(likely if option.name in OUTWARD else likely | any_text))
    # No mount point of this machine is to be hit upon by chance.
    words = likely if command == "freeze" else likely | any_text
    return line + draw(st.lists(words, max_size=3))


@pytest.mark.timeout(3600)  # so that many examples may be asked for
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(line=lines())
def test_any_line_ends_with_a_code_that_is_documented(
    fake: FakeClock, capsys: pytest.CaptureFixture[str], line: list[str]
) -> None:
    """Property: names, templates, durations, rules and columns, however odd."""
    code = cli.run(["--sandbox", *line], clock=fake.clock)
    said = capsys.readouterr()
    assert code in CODES
    assert code == 0 or said.err or "check" in line or said.out
    assert "Traceback" not in said.err


variables = st.dictionaries(
    st.sampled_from(VARIABLES),
    likely | st.sampled_from(["1", "true", "*", "data-01\ndb-data"]) | any_text,
    max_size=8,
)


@contextmanager
def set_to(values: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            is_outward = name.rpartition("_")[2].lower() in OUTWARD
            patch.setenv(name, "metrics.prom" if is_outward else value)
        yield


@pytest.mark.timeout(3600)
@settings(max_examples=EXAMPLES // 2, suppress_health_check=list(HealthCheck))
@given(
    values=variables,
    line=st.sampled_from(
        ["create data-02", "rotate data-02 --keep-last 1", "prune --volume data-02 --keep-last 1",
         "prune --match data-02 --keep-last 1 -y"]
    ),
)  # fmt: skip
def test_no_variable_widens_what_was_typed(
    fake: FakeClock, capsys: pytest.CaptureFixture[str], line: str, values: dict[str, str]
) -> None:
    """Property: whatever variables are set, only the disk that was typed is planned for."""
    with set_to(values):
        code = cli.run(["--sandbox", *line.split(), "--dry-run", "-f", "json"], clock=fake.clock)
    said = capsys.readouterr()
    assert code in CODES
    assert "Traceback" not in said.err
    disks = {item["volume"]["name"] for item in json.loads(said.out)["items"]}
    assert disks <= {"data-02"}


@pytest.mark.timeout(3600)
@settings(max_examples=EXAMPLES // 2, suppress_health_check=list(HealthCheck))
@given(
    values=variables,
    line=st.sampled_from(
        ["delete OURS", "delete THEIRS -y", "prune data-02 --keep-last 1", "prune --keep-last 1",
         "restore OURS", "restore OURS -y", "restore OURS --in-place"]
    ),
)  # fmt: skip
def test_no_variable_gives_consent(
    fake: FakeClock,
    capsys: pytest.CaptureFixture[str],
    pretend: Pretend,
    line: str,
    values: dict[str, str],
) -> None:
    """Property: whatever variables are set, nothing is deleted or rolled back unasked."""
    before = {s.id: s for s in pretend.client.snapshots()}
    theirs = next((s.id for s in before.values() if s.name == "theirs"), None)
    theirs = theirs or pretend.snapshot(pretend.named("data-01"), "theirs")
    words = [{"OURS": OURS, "THEIRS": theirs}.get(word, word) for word in line.split()]
    with set_to(values):
        code = cli.run(["--sandbox", *words], clock=fake.clock)
    assert code in CODES
    assert "Traceback" not in capsys.readouterr().err
    assert before.keys() <= {s.id for s in pretend.client.snapshots()}
    assert pretend.client.volume(pretend.named("data-02")).status == "available"
