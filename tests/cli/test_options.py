"""Options: global ones anywhere, each as a variable, none empty, and guesses that are close."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from evs_snap.cli import root
from evs_snap.cli.context import GLOBAL_NAMES, Context
from evs_snap.cli.options import Option
from evs_snap.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Pretend
    from tests.conftest import Run

OURS = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"
"""A snapshot of data-02 that carries our stamp."""


def all_options() -> Iterator[tuple[str, click.Command, Option]]:
    """Every option of every command that a variable can set, with the command's path."""

    def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command, Option]]:
        for param in command.params:
            if isinstance(param, Option) and param.allow_from_autoenv:
                yield path, command, param
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                yield from walk(f"{path} {name}".strip(), below)

    return walk("", root)


def value_for(option: Option) -> tuple[str, object]:  # noqa: PLR0911 - a return a kind
    """Return a value to write into the variable, and what comes of it."""
    kind = option.type
    if option.is_flag or isinstance(kind, click.types.BoolParamType):
        return ("0", False) if option.default is True else ("1", True)
    if option.count:
        return "2", 2
    if isinstance(kind, click.Choice):
        wanted = str(kind.choices[-1])
        return wanted, wanted
    if isinstance(kind, click.types.IntParamType):
        return "3", 3
    if isinstance(kind, click.types.FloatParamType):
        return "0.5", 0.5
    name = option.name or ""
    if name in {
        "timeout",
        "lock_wait",
        "max_age",
        "older_than",
        "newer_than",
        "keep_within",
        "every",
        "span",
    }:
        return "1h30m", 5400.0
    if name in {"property", "properties", "with_metadata", "with_tag"}:
        return "k=v", (("k", "v"),)
    return "word", ("word",) if option.multiple else "word"


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize(
    ("path", "command", "option"),
    [pytest.param(*found, id=f"{found[0]} {found[2].opts[-1]}") for found in all_options()],
)
def test_every_option_of_every_command_is_a_variable_too(
    path: str,
    command: click.Command,
    option: Option,
    monkeypatch: pytest.MonkeyPatch,
    *,
    shared: bool,
) -> None:
    """found: EVS_SNAP_DRY_RUN=1 was ignored: a dry run that deletes."""
    prefix = "_".join(["EVS_SNAP", *path.upper().split()])
    written, expected = value_for(option)
    name = option.opts[-1].removeprefix("--").replace("-", "_").upper()
    monkeypatch.setenv(f"EVS_SNAP_{name}" if shared else f"{prefix}_{name}", written)
    context = command.make_context(
        "it", [], resilient_parsing=True, auto_envvar_prefix=prefix, obj=Context(system_clock())
    )
    found = context.params[option.name or ""]
    assert (tuple(found.items()) if isinstance(found, dict) else found) == expected


def test_a_variable_makes_a_dry_run(
    run: Run, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: EVS_SNAP_DRY_RUN=1 was ignored: a dry run that deletes."""
    monkeypatch.setenv("EVS_SNAP_DRY_RUN", "1")
    record = run(f"--sandbox delete {OURS} -y -f json").json
    assert record["dry_run"] is True
    assert pretend.client.snapshot(OURS).is_usable


def test_what_is_typed_counts_over_variables_wherever_it_stands(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_VOLUMES_FORMAT", "csv")
    monkeypatch.setenv("EVS_SNAP_COLUMN", "ID Name")
    assert run("--sandbox volumes data-01").stdout.startswith("ID,Name\n")
    assert run("--sandbox -f value volumes data-01 -c Name").stdout == "data-01\n"
    assert run("--sandbox -c Name volumes data-01 -f value").stdout == "data-01\n"


def test_verbosity_adds_up_where_it_is_typed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "evs_snap_key" in run("-v --sandbox create data-01 --no-wait -v").stderr
    monkeypatch.setenv("EVS_SNAP_VERBOSE", "1")
    assert "evs_snap_key" not in run("--sandbox create data-02 --no-wait").stderr, "once"


@pytest.mark.parametrize("name", sorted(GLOBAL_NAMES))
def test_every_command_takes_every_global_option(name: str) -> None:
    context = click.Context(root)
    for command_name in root.list_commands(context):
        command = root.get_command(context, command_name)
        assert command is not None
        assert name in {param.name for param in command.params}, command_name


@pytest.mark.parametrize(
    "line",
    [
        "volumes --sandbox -f value -c Name data-01",
        "volumes data-01 -f value -c Name --sandbox",
        "--sandbox -f value -c Name volumes data-01",
        "--sandbox volumes --volume data-01 -f value -c Name",
    ],
)
def test_global_options_and_disks_stand_anywhere(run: Run, line: str) -> None:
    """found: `volumes --sandbox` was refused: "It stands before the command"."""
    assert run(line).stdout == "data-01\n"


def test_disks_may_be_named_without_an_option(run: Run) -> None:
    record = run("--sandbox create data-01 --volume data-02 -f json").json
    assert [item["volume"]["name"] for item in record["items"]] == ["data-01", "data-02"]


@pytest.mark.parametrize("line", ["-V", "--version", "create -V", "volumes --version"])
def test_the_version_is_told_anywhere(run: Run, line: str) -> None:
    assert run(line).stdout.startswith("evs-snap 0.")


@pytest.mark.parametrize("variable", ["EVS_SNAP_VERSION", "EVS_SNAP_HELP"])
def test_a_variable_of_an_image_is_no_request_for_help(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1.2.3")
    assert run("--sandbox volumes data-01 -f value -c Name").stdout == "data-01\n"


@pytest.mark.parametrize("line", ["", "--sandbox", "sandbox"])
def test_without_a_command_the_help_is_shown(run: Run, line: str) -> None:
    r"""found: `evs-snap` alone was an error with a literal \n in it, exit 2."""
    shown = run(line)
    assert shown.stdout.startswith("Usage: evs-snap")
    assert "Commands:\n" in shown.stdout
    assert shown.stderr == ""


def test_help_has_examples_first_and_options_in_sections(run: Run) -> None:
    """found: `rotate --help` was one list of 29 options."""
    shown = run("rotate --help").stdout
    at = [
        shown.index(f"\n{title}:\n")
        for title in (
            "Examples", "Which disks", "What to keep", "Naming", "Waiting", "The limit",
            "Global options",
        )
    ]  # fmt: skip
    assert at == sorted(at)
    assert "\n  evs-snap -q rotate --all" in shown


def test_every_commands_help_begins_with_an_example_that_parses(run: Run) -> None:
    context = click.Context(root)
    for name in root.list_commands(context):
        shown = run(f"{name} --help").stdout
        assert "Examples:\n" in shown or "Commands:\n" in shown, name
        assert all(len(line) < 80 for line in shown.splitlines()), name


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("snapshot", "'snapshots'"),
        ("volume", "'volumes'"),
        ("snap", "'snapshots'"),
        ("rotat --keep-last 2", "'rotate'"),
        ("create --dryrun", "'--dry-run'"),
        ("create --os-clod x", "'--os-cloud'"),
        ("rotate --keep-lst 2", "'--keep-last'"),
        ("volumes --volumes x", "'--volume'"),
    ],
)
def test_what_was_meant_is_told_where_it_is_close(run: Run, line: str, meant: str) -> None:
    assert f"Did you mean {meant}" in run(f"--sandbox {line}", exit_code=2).stderr


@pytest.mark.parametrize(
    "line",
    ["frobnicate", "snapshots --name x", "volumes --quote all", "create --long", "-Z volumes"],
)
def test_no_guess_is_made_where_nothing_is_close(run: Run, line: str) -> None:
    """found: `snapshots --name` and `--quote` were told "Did you mean '--exclude'?"."""
    assert "Did you mean" not in run(line, exit_code=2).stderr


@pytest.mark.parametrize(
    ("option", "seconds"),
    [("90s", 90), ("15m", 900), ("1h30m", 5400), ("1d12h", 129600), ("2w", 1209600)],
)
def test_durations_are_read_in_one_unit_or_several(run: Run, option: str, seconds: int) -> None:
    line = f"--sandbox check data-02 --max-age {option} -f json"
    text = run(line, exit_code=2 if seconds < 86400 else 0).json["text"]
    assert text.endswith(f";;{seconds}")


@pytest.mark.parametrize(
    "option", ["", "5", "h", "30m1h", "1h1h", "-1h", "1.5h", "\u0661h", "9999w"]
)
def test_what_is_no_duration_is_a_usage_error(run: Run, option: str) -> None:
    """found: `--older-than 999999w` reached back beyond the year 1: a traceback."""
    run(f"--sandbox snapshots --older-than '{option}'", exit_code=2)


@pytest.mark.parametrize(
    "line",
    [
        "delete '' -y", f"delete {OURS} '' -y", "create ''", "create --volume ''",
        "create data-01 --policy ''", "create data-01 --name ''", "create data-01 --match ''",
        "create data-01 --exclude ''", "create data-01 --description ''", "prune --server '' -y",
        "create --with-metadata ''", "volumes --os-cloud ''", "volumes -c ''", "wait ''",
        "snapshots --older-than ''", "create data-01 --property ''", "create data-01 --limit ''",
    ],
)  # fmt: skip
def test_an_empty_value_is_a_usage_error(
    run: Run, requests: Callable[[str], list[str]], line: str
) -> None:
    """found: `--volume "$UNSET"` took the disk without a name; `delete ""` a stranger's."""
    keep = " --keep-last 1" if line.startswith("prune") else ""
    assert requests(run(f"-v --sandbox {line}{keep}", exit_code=2).stderr) == []


@pytest.mark.parametrize("length", [8, 13, 35, 36])
def test_where_an_id_is_taken_a_unique_beginning_is_taken_too(
    run: Run, pretend: Pretend, length: int
) -> None:
    disk = pretend.named("db-data")
    server = pretend.client.volume(disk).attached_to[0]
    name = "-f value -c Name"
    assert run(f"--sandbox volumes {disk[:length]} {name}").stdout == "db-data\n"
    assert run(f"--sandbox volumes --server {server[:length]} {name}").stdout == "db-data\n"
    others = run(f"--sandbox volumes --all --exclude {disk[:length]} {name}").stdout
    assert "db-data" not in others
    assert "data-01" in others
    assert run(f"--sandbox delete {OURS[:length]} -y -f value -c ID").stdout == f"{OURS}\n"


@pytest.mark.parametrize("line", [f"delete {OURS[:7]} -y", "volumes 5072a9e"])
def test_fewer_than_eight_characters_are_no_beginning(run: Run, line: str) -> None:
    run(f"--sandbox {line}", exit_code=5)


@pytest.mark.parametrize("command", ["create", "rotate --keep-last 1", "prune", "delete", "wait"])
@pytest.mark.parametrize("form", ["-f json", "-fjson", "--format=json", "-qf json", "-f yaml"])
def test_a_usage_error_has_its_document_on_stdout_too(run: Run, command: str, form: str) -> None:
    """found: `create -f json` without a selection, or with a wrong option, printed no JSON."""
    import yaml  # noqa: PLC0415 - of this test alone

    for line in (f"{command} {form} --nonsense", f"{form} {command}", f"{form} --oops {command}"):
        record = yaml.safe_load(run(f"--sandbox {line}", exit_code=2).stdout)
        assert record["command"] == command.split(maxsplit=1)[0]
        assert (record["schema"], record["exit_code"], record["items"]) == ("evs-snap/1", 2, [])
        assert record["error"]["message"]


def test_a_usage_error_of_a_list_prints_nothing_on_stdout(run: Run) -> None:
    assert run("volumes -f json --nonsense", exit_code=2).stdout == ""


@pytest.mark.parametrize("status", ["foo", "Available", "any"])
def test_a_status_that_evs_does_not_have_is_a_usage_error(run: Run, status: str) -> None:
    """found: `snapshots --status foo` listed nothing and ended with 0."""
    refused = run(f"--sandbox snapshots --status {status}", exit_code=2)
    assert "'error_deleting'" in refused.stderr
