"""The manual page, made from the same definitions as the help (man-pages(7), in groff)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from evs_snap import __version__
from evs_snap.cli.context import GLOBAL_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

_END = """.SH EXIT STATUS
0 done; 1 failed; 2 usage or configuration; 3 partial; 4 sign\\-in or rights; 5 not found; 6 limit
or quota; 7 waited too long; 8 the hold failed; 11 another run holds the lock; 129, 130, 143 ended
by a signal. check ends as monitoring plugins do: 0, 1, 2, 3.
.SH FILES
~/.config/openstack/clouds.yaml, /etc/openstack/clouds.yaml
.SH SEE ALSO
.BR openstack (1),
.BR cron (8)
"""


def manual(root: click.Group, *, program: str) -> str:
    """Return the page of the program: its commands in order, then the global options."""
    top = click.Context(root, info_name=program)
    about = _text(root.help or "")
    lines = [f'.TH {program.upper()} 1 "" "{program} {__version__}" "User Commands"', ".SH NAME"]
    lines += [f"{program} \\- {about}", ".SH SYNOPSIS", f".B {program}", "[OPTION]... COMMAND ..."]
    lines.append(".SH COMMANDS")
    for name in root.list_commands(top):
        command = root.get_command(top, name)
        if command is not None:
            lines += _command(click.Context(command, info_name=name, parent=top))
    lines += [".SH GLOBAL OPTIONS", *_options(top, of_all=True)]
    return "\n".join(lines) + "\n" + _END


def _command(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = [context.info_name or "", *command.collect_usage_pieces(context)]
    yield f".SS {_text(' '.join(usage))}"
    paragraphs = (command.help or "").split("\n\n")
    yield "\n.PP\n".join(_text(" ".join(text.split())) for text in paragraphs)
    yield from _options(context, of_all=False)
    for example in getattr(command, "examples", ()):
        yield f".RS\n.nf\n{_text(example)}\n.fi\n.RE"


def _options(context: click.Context, *, of_all: bool) -> Iterator[str]:
    for param in context.command.params:
        record = param.get_help_record(context)
        is_of_all = param.name in GLOBAL_NAMES or param.name in {"help", "version"}
        if isinstance(param, click.Option) and record and is_of_all is of_all:
            yield f".TP\n.B {_text(record[0])}\n{_text(record[1])}"


def _text(text: str) -> str:
    """Return the text for groff: dashes that can be pasted, no line that is read as a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", escaped)
