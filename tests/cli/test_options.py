"""What holds for every option of every command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import pytest
from click.shell_completion import ShellComplete

import evs_snap
from evs_snap.cli import root
from evs_snap.cli.context import GLOBAL_NAMES, Context
from evs_snap.cli.parameters import SECTIONS, Option, without_variables
from evs_snap.cli.values import duration
from evs_snap.cli.variables import NO_OPTIONS
from evs_snap.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Run


class Found(NamedTuple):
    """An option of a command, and how the command's own variables begin."""

    prefix: str
    command: click.Command
    option: Option

    @property
    def is_read(self) -> bool:
        """Whether this command takes it from a variable."""
        return self.option.is_settable and self.option.name not in without_variables(self.command)

    def value(self) -> object:
        """Return what the option comes to where nothing is typed."""
        context = self.command.make_context(
            "it", [], resilient_parsing=True, auto_envvar_prefix=self.prefix,
            obj=Context(system_clock()),
        )  # fmt: skip
        return context.params.get(self.option.name or "")


def all_options() -> Iterator[Found]:
    """Every option of every command."""

    def walk(prefix: str, command: click.Command) -> Iterator[Found]:
        for param in command.params:
            if isinstance(param, click.Option):
                assert isinstance(param, Option), param.name
                yield Found(prefix, command, param)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                yield from walk(f"{prefix}_{name.upper()}", below)

    return walk("EVS_SNAP", root)


def value_for(option: Option) -> tuple[str, object]:  # noqa: PLR0911 - a return a kind
    """Return a value to write into the variable, and what comes of it."""
    kind = option.type
    if option.is_flag or isinstance(kind, click.types.BoolParamType):
        return ("0", False) if option.default is True else ("1", True)
    if option.count:
        return "2", 2
    if isinstance(kind, click.Choice):
        wanted = str(kind.choices[-1])
        return wanted, (wanted,) if option.multiple else wanted
    if isinstance(kind, click.types.IntParamType):
        return "3", 3
    if isinstance(kind, click.types.FloatParamType):
        return "0.5", 0.5
    if isinstance(kind, click.types.FuncParamType) and kind.func is duration:
        return "1h30m", 5400.0
    if isinstance(kind, click.types.FuncParamType):
        return "k=v", {"k": "v"} if option.name == "properties" else (("k", "v"),)
    return "two words", ("two words",) if option.multiple else "two words"


def test_every_option_has_a_help_and_a_section_and_is_offered_by_the_tab_key() -> None:
    """Any option of any command: nothing about it is left to be remembered elsewhere."""
    context = Context(system_clock())
    for prefix, command, option in all_options():
        if option.hidden:
            assert not option.is_settable, option.opts
            continue
        assert (option.help or "").rstrip()[-1:] in {".", "]"}, option.opts
        assert option.section in SECTIONS, option.opts
        words = prefix.lower().removeprefix("evs_snap").replace("_", " ").split()
        for name in option.opts:
            offered = ShellComplete(root, {"obj": context}, "evs-snap", "_").get_completions(
                words, name
            )
            assert name in {item.value for item in offered} or not name.startswith("--"), command


def test_every_option_is_a_variable_too_unless_it_gives_consent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """found: EVS_SNAP_DRY_RUN=1 was ignored: a dry run that deletes."""
    read = [found for found in all_options() if found.is_read]
    assert len(read) > 100
    for found in read:
        written, expected = value_for(found.option)
        for name in found.option.variables(found.prefix):
            with monkeypatch.context() as only:
                only.setenv(name, written)
                assert found.value() == expected, name
    others = {found.option.opts[-1] for found in all_options() if not found.is_read}
    assert others == {
        # These must be typed.
        "--all", "--yes", "--foreign", "--in-place", "--no-safety-snapshot", "--hold",
        "--help", "--version",  # an image may have a variable of that name
        "--wait",  # of `rotate`, which always waits
        "--limit",  # of a list, which refuses it
    }  # fmt: skip


def test_every_variable_that_the_code_reads_is_known() -> None:
    read = {
        name
        for file in Path(evs_snap.__file__).parent.rglob("*.py")
        for name in re.findall(r'"(EVS_SNAP_[A-Z_]+)"', file.read_text("utf-8"))
        if not name.endswith("_")
    }
    context = click.Context(root)
    commands = (root.get_command(context, name) for name in root.list_commands(context))
    options = [p for c in commands if c for p in c.params if isinstance(p, Option)]
    assert read <= NO_OPTIONS | {option.variables("")[1] for option in options}


@pytest.mark.parametrize("name", sorted(GLOBAL_NAMES))
def test_every_command_takes_every_global_option(name: str) -> None:
    context = click.Context(root)
    for command_name in root.list_commands(context):
        command = root.get_command(context, command_name)
        assert command is not None
        assert name in {param.name for param in command.params}, command_name


def test_every_commands_help_begins_with_an_example_that_parses(run: Run) -> None:
    context = click.Context(root)
    for name in root.list_commands(context):
        shown = run(f"{name} --help").stdout
        assert "Examples:\n" in shown or "Commands:\n" in shown, name
        assert "Global options:\n" in shown, name
        assert all(len(line) < 80 for line in shown.splitlines()), name


def test_a_hint_repeats_what_says_which_cloud() -> None:
    """found: a hint named `evs-snap volumes` in a run that was for another cloud."""
    context = Context(system_clock(), os_cloud="my cloud", typed=frozenset({"os_cloud"}))
    assert context.pasteable("`evs-snap delete x` or `evs-snap sandbox reset`") == (
        "`evs-snap --os-cloud 'my cloud' delete x` or `evs-snap sandbox reset`"
    )
