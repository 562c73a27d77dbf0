"""Options: global ones anywhere, each as a variable, none empty, and guesses that are close."""

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
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Pretend
    from tests.conftest import Run

OURS = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"
"""A snapshot of data-02 that carries our stamp."""


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


@pytest.mark.parametrize(
    ("variables", "line", "exit_code"),
    [
        ("EVS_SNAP_YES=1", f"delete {OURS}", 2),
        ("EVS_SNAP_DELETE_YES=1", f"delete {OURS}", 2),
        ("EVS_SNAP_YES=1", "prune data-02 --keep-last 1", 2),
        ("EVS_SNAP_FOREIGN=1", "delete THEIRS -y", 2),
        ("EVS_SNAP_IN_PLACE=1", f"restore {OURS} -y", 2),
        ("EVS_SNAP_ALL=1", "prune --keep-last 1 -y", 2),
    ],
)
def test_no_variable_gives_consent(
    run: Run,
    pretend: Pretend,
    monkeypatch: pytest.MonkeyPatch,
    variables: str,
    line: str,
    exit_code: int,
) -> None:
    """found: EVS_SNAP_YES, _FOREIGN, _IN_PLACE and _ALL, left over in a shell, were read."""
    name, value = variables.split("=")
    theirs = pretend.snapshot(pretend.disk("theirs"), "not ours")
    monkeypatch.setenv(name, value)
    before = {s.id for s in pretend.client.snapshots()}
    said = run(f"--sandbox {line.replace('THEIRS', theirs)}", exit_code=exit_code).stderr
    assert {s.id for s in pretend.client.snapshots()} == before
    assert said.count(f"warning: {name} is not read: ") == 1


def test_a_safety_snapshot_is_taken_whatever_the_variables_say(
    run: Run, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: EVS_SNAP_NO_SAFETY_SNAPSHOT=1 went against it, and nothing was said."""
    monkeypatch.setenv("EVS_SNAP_NO_SAFETY_SNAPSHOT", "1")
    before = len(pretend.client.snapshots())
    said = run(f"--sandbox restore {OURS} --in-place -y").stderr
    assert len(pretend.client.snapshots()) == before + 1
    assert "EVS_SNAP_NO_SAFETY_SNAPSHOT is not read" in said


@pytest.mark.parametrize(
    "variable",
    ["EVS_SNAP_VOLUME=db-data", "EVS_SNAP_MATCH=*", "EVS_SNAP_PRUNE_WITH_METADATA=env=prod",
     "EVS_SNAP_ALL=1", "EVS_SNAP_WITH_TAG=env"],
)  # fmt: skip
@pytest.mark.parametrize("typed", ["data-02", "--volume data-02", "--match data-0[23]"])
def test_what_is_typed_is_not_widened_by_variables(
    run: Run, pretend: Pretend, monkeypatch: pytest.MonkeyPatch, variable: str, typed: str
) -> None:
    """found: `prune data-01 -y` pruned other disks too, for a variable left over in the shell."""
    pretend.disk("other", metadata={"env": "prod"})
    monkeypatch.setenv(*variable.split("=", 1))
    record = run(f"--sandbox prune {typed} --keep-last 1 -y --dry-run -f json").json
    assert {item["volume"]["name"] for item in record["items"]} == {"data-02"}


def test_variables_select_where_nothing_is_typed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVS_SNAP_VOLUME", "data-01\ndata-02")
    monkeypatch.setenv("EVS_SNAP_EXCLUDE", "data-01")
    assert run("--sandbox volumes -f value -c Name").stdout == "data-02\n"


def test_a_repeatable_option_takes_one_value_a_line(
    run: Run, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: EVS_SNAP_EXCLUDE='golden image' excluded two other names, and the disk was pruned."""
    pretend.disk("golden image")
    monkeypatch.setenv("EVS_SNAP_EXCLUDE", "golden image\ndata-*\n")
    shown = run("--sandbox volumes --all -f value -c Name").stdout.splitlines()
    assert "db-data" in shown
    assert not {"golden image", "data-01"} & {*shown}


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"EVS_SNAP_SANDBOX": "1"}, "--os-cloud prod volumes"),
        ({"EVS_SNAP_SANDBOX": "1"}, "volumes --os-cloud prod"),
        ({"EVS_SNAP_SANDBOX": "1", "OS_CLOUD": "prod"}, "volumes"),
        ({"EVS_SNAP_SANDBOX": "1", "EVS_SNAP_OS_CLOUD": "prod"}, "rotate --all --keep-last 1"),
        ({}, "--sandbox --os-cloud prod volumes"),
    ],
)
def test_the_sandbox_beside_a_cloud_that_is_named_is_a_contradiction(
    run: Run, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], line: str
) -> None:
    """found: the nightly job of a cloud worked in the sandbox, in silence."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert "'prod'" in run(f"-q {line}", exit_code=2).stderr


def test_the_sandbox_that_is_typed_counts_over_a_cloud_in_a_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLOUD", "prod")
    assert run("--sandbox volumes data-01 -f value -c Name").stdout == "data-01\n"


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("EVS_SNAP_WAIT=0", f"restore {OURS} --in-place -y"),
        ("EVS_SNAP_PROPERTY=by=cron", f"restore {OURS} --in-place -y"),
        ("EVS_SNAP_SIZE=abc", f"restore {OURS} --in-place -y"),
        ("EVS_SNAP_AS=other", f"restore {OURS} --in-place -y"),
        ("EVS_SNAP_WAIT=0", "rotate data-01 --keep-last 1"),
        ("EVS_SNAP_KEEP_LAST=abc", "create data-01"),
        ("EVS_SNAP_MATCH=[", "create data-01"),
    ],
)
def test_a_variable_that_does_not_apply_is_left_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, line: str
) -> None:
    """found: `restore --in-place` failed for options of `create` that nobody had typed."""
    monkeypatch.setenv(*variable.split("=", 1))
    assert "EVS_SNAP" not in run(f"--sandbox {line}").stderr


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("EVS_SNAP_KEEP_LAST=abc", "rotate data-01"),
        ("EVS_SNAP_ROTATE_TIMEOUT=soon", "rotate data-01 --keep-last 1"),
        ("EVS_SNAP_SHARD=x", "create data-01"),
        ("EVS_SNAP_NAME={nobody}", "create data-01"),
        ("EVS_SNAP_POLICY= x", "create data-01"),
        ("EVS_SNAP_PROPERTY=evs_snap_key=1", "create data-01"),
        ("EVS_SNAP_COLUMN=ID Name", "volumes"),
        ("EVS_SNAP_FORMAT=xml", "volumes"),
    ],
)
def test_a_message_about_a_variable_names_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, line: str
) -> None:
    """found: EVS_SNAP_KEEP_LAST=abc was told of as --keep-last, which nobody had typed."""
    name, value = variable.split("=", 1)
    monkeypatch.setenv(name, value)
    assert name in run(f"--sandbox {line}", exit_code=2).stderr


def test_an_unknown_variable_is_told_once_with_what_is_near(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: nothing was said of a variable that is mistyped."""
    for name in ("EXCLUD", "ALLOW_HTTP", "KIND", "LIMIT", "ROTATE_KEEP_LAST", "SANDBOX_SERVE_PORT"):
        monkeypatch.setenv(f"EVS_SNAP_{name}", "legacy" if name == "KIND" else "1")
    said = run("-q --sandbox volumes data-01").stderr
    assert said == (
        "warning: no variable EVS_SNAP_EXCLUD is known, it is not read. "
        "Did you mean 'EVS_SNAP_EXCLUDE'?\n"
    )


def test_every_variable_that_the_code_reads_is_known() -> None:
    read = {
        name
        for file in Path(evs_snap.__file__).parent.rglob("*.py")
        for name in re.findall(r'"(EVS_SNAP_[A-Z_]+)"', file.read_text("utf-8"))
        if not name.endswith("_")
    }
    of_options = {"EVS_SNAP_SANDBOX", "EVS_SNAP_KIND", "EVS_SNAP_LIMIT"}
    assert read - of_options <= NO_OPTIONS


def test_hints_can_be_pasted(run: Run) -> None:
    """found: a hint named `evs-snap volumes` in a run that was for another cloud."""
    assert "`evs-snap --sandbox volumes`" in run("volumes nobody --sandbox", exit_code=5).stderr
    context = Context(system_clock(), os_cloud="my cloud", typed=frozenset({"os_cloud"}))
    assert context.pasteable("`evs-snap delete x` or `evs-snap sandbox reset`") == (
        "`evs-snap --os-cloud 'my cloud' delete x` or `evs-snap sandbox reset`"
    )


def test_a_word_is_a_command_only_in_its_place(run: Run) -> None:
    """found: `evs-snap creat check` was UNKNOWN on stdout and exit 3, as a check that failed."""
    refused = run("creat check", exit_code=2)
    assert refused.stdout == ""
    assert "Did you mean 'create'?" in refused.stderr


def test_a_list_tells_what_limit_is_called_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """found: `volumes --limit 5` was taken for the slots of a disk; it reads as a count of rows."""
    assert "--slots" in run("--sandbox volumes --limit 5", exit_code=2).stderr
    monkeypatch.setenv("EVS_SNAP_LIMIT", "9")
    assert run("--sandbox volumes data-01 -f value -c Snapshots").stdout == "0/9\n"


def test_what_is_typed_counts_over_variables_wherever_it_stands(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_VOLUMES_FORMAT", "csv")
    monkeypatch.setenv("EVS_SNAP_COLUMN", "ID\nName")
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


@pytest.mark.parametrize("case", [str.lower, str.upper])
@pytest.mark.parametrize("length", [8, 13, 35, 36])
def test_where_an_id_is_taken_a_unique_beginning_is_taken_too_in_any_case(
    run: Run, pretend: Pretend, length: int, case: Callable[[str], str]
) -> None:
    """found: --exclude with the ID in capitals excluded nothing, and the disk was pruned."""
    disk = case(pretend.named("db-data"))
    server = case(pretend.client.volume(disk.lower()).attached_to[0])
    name = "-f value -c Name"
    assert run(f"--sandbox volumes {disk[:length]} {name}").stdout == "db-data\n"
    assert run(f"--sandbox volumes --server {server[:length]} {name}").stdout == "db-data\n"
    others = run(f"--sandbox volumes --all --exclude {disk[:length]} {name}").stdout
    assert "db-data" not in others
    assert "data-01" in others
    deleted = run(f"--sandbox delete {case(OURS)[:length]} -y -f value -c ID").stdout
    assert deleted == f"{OURS}\n"


def test_a_name_that_is_the_beginning_of_anothers_id_is_ambiguous(
    run: Run, pretend: Pretend
) -> None:
    """found: of two disks or snapshots the one of that name was taken without a word."""
    disk = pretend.named("data-02")
    called_so = pretend.disk(disk[:8])
    refused = run(f"--sandbox create {disk[:8]}", exit_code=5).stderr
    assert disk in refused
    assert called_so in refused
    snapshot = pretend.snapshot(called_so, OURS[:8])
    for line in ("delete {} -y", "restore {} --in-place -y", "restore {} --as new", "wait {}"):
        refused = run(f"--sandbox {line.format(OURS[:8])}", exit_code=5).stderr
        assert OURS in refused
        assert snapshot in refused


def test_an_exclusion_that_excludes_nothing_is_told(run: Run) -> None:
    """found: a name that was mistyped after --exclude was passed over in silence."""
    line = "--sandbox prune --match 'data-*' --keep-last 9 -y -f json --exclude db-data"
    record = run(f"{line} --exclude dta-01")
    told = "no disk has a name or ID like --exclude 'dta-01'"
    assert told in record.json["remark"]
    assert told in record.stderr
    assert "--exclude" not in run(line).stderr


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
