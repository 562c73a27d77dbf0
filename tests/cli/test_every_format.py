"""Every command in every format: one encoder for documents, one door to people's eyes."""

from __future__ import annotations

import io
import json
import shlex
import sys
from typing import TYPE_CHECKING

import click
import pytest
import yaml

from evs_snap import cli
from evs_snap.cli.context import Context
from evs_snap.cli.output import note, write_line
from evs_snap.render.columns import titles

if TYPE_CHECKING:
    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

LINES = [
    ("volumes", 0), ("snapshots", 0), ("doctor", 0), ("check data-02 --max-age 9d", 0),
    ("check full-01 --max-age 9d", 1), ("check --all --max-age 1s", 2), ("check --all", 3),
    ("check nobody --max-age 1d", 3), ("create data-01 full-01 broken-01", 3),
    ("create --all --dry-run", 3), ("create nobody", 5), ("rotate data-02 --keep-last 1", 0),
    ("prune data-02 --keep-last 1 -y", 0), ("prune data-01 --keep-last 1 -y", 0),
    ("delete 9d1b20c9 -y", 0), ("delete 5efed21e -y", 2), ("wait 9d1b20c9", 0),
    ("restore 9d1b20c9 --as new", 0), ("restore 9d1b20c9 --in-place --dry-run", 0),
    ("show data-02 9d1b20c9 --keep-last 1", 0), ("pin 9d1b20c9", 0), ("unpin 5efed21e", 2),
    ("simulate --keep-daily 3 --every 1d --for 9d", 0),
]  # fmt: skip
"""A line of each command, each of its endings, and the exit code."""


def commands() -> list[str]:
    return cli.root.list_commands(click.Context(cli.root))


def test_every_command_with_a_result_is_among_the_lines() -> None:
    assert {line.split()[0] for line, _ in LINES} == set(commands()) - {
        "completion", "freeze", "help", "sandbox"
    }  # fmt: skip


@pytest.mark.parametrize("form", ["table", "json", "yaml", "csv", "value"])
@pytest.mark.parametrize(("line", "code"), LINES)
def test_every_command_ends_the_same_in_every_format(
    run: Run, line: str, code: int, form: str
) -> None:
    """found: `check -f yaml` ended in a traceback, as YAML does not know an enum."""
    shown = run(f"--sandbox {line} -f {form}", exit_code=code)
    if form == "json":
        assert shown.json is not None
    if form == "yaml":
        assert json.dumps(yaml.safe_load(shown.stdout))


@pytest.mark.parametrize("line", ["volumes", "snapshots", "check --all --max-age 1s", "doctor"])
def test_yaml_holds_what_json_holds(run: Run, line: str) -> None:
    code = 2 if "check" in line else 0
    told = run(f"--sandbox {line} -f json", exit_code=code).json
    assert yaml.safe_load(run(f"--sandbox {line} -f yaml", exit_code=code).stdout) == told


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "iso-8859-1"])
def test_a_document_is_in_utf_8_where_stdout_takes_it(
    fake: FakeClock, monkeypatch: pytest.MonkeyPatch, form: str, encoding: str
) -> None:
    r"""found: JSON said \u6570 on terminals that show Chinese."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    line = shlex.split(f"--sandbox volumes --match '*-größe' -c Name -f {form}")
    assert cli.run(line, clock=fake.clock) == 0
    written = raw.getvalue()
    assert yaml.safe_load(written) == [{"name": "数据盘-größe"}]
    assert ("数据盘".encode() in written) == (encoding == "utf-8")
    assert written.isascii() != (encoding == "utf-8")


def test_whatever_a_message_or_a_note_repeats_prints(
    run: Run, pretend: Pretend, fake: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """found: escape codes in an ID reached the terminal by way of a hint."""
    bad = "\x1b[2Jx\x9b"
    note(Context(fake.clock), f"to attach it: {bad}\nnext")
    write_line(Context(fake.clock), "hint:", bad)
    snapshot = pretend.snapshot(pretend.disk("\x1b]0;title\x07"), "s")
    told = capsys.readouterr().err + run(f"-v --sandbox restore {snapshot} --as new").stderr
    assert all(c.isprintable() or c == "\n" for c in told)
    assert told.startswith("to attach it: \\x1b[2Jx\\x9b\nnext\nhint: \\x1b[2Jx\\x9b\n")


@pytest.mark.parametrize("command", commands())
def test_help_names_the_columns(run: Run, command: str) -> None:
    usual, on_request = titles(command)
    shown = run(f"{command} --help").stdout
    assert run(f"help {command}").stdout == shown
    told = " ".join(shown.split())
    assert ("Columns:" in told) == bool(usual)
    assert ", ".join(usual) in told
    assert not on_request or f"With -c also: {', '.join(on_request)}" in told


def test_help_of_no_command_is_all_and_of_a_wrong_one_a_usage_error(run: Run) -> None:
    assert run("help").stdout == run("--help").stdout
    assert "evs-snap sandbox serve" in run("help sandbox serve").stdout
    assert "Did you mean 'rotate'?" in run("help rotat", exit_code=2).stderr
    run("help volumes all", exit_code=2)
