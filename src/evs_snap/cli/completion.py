"""``evs-snap completion``: the script that a shell sources, and what answers it.

The script calls evs-snap with ``_EVS_SNAP_COMPLETE=SHELL_complete`` and the line typed so far.
The protocol is Click's; the scripts are ours, because Click's do not quote what they offer.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    BashComplete,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

from evs_snap.cli.command import Command
from evs_snap.cli.output import write_result
from evs_snap.cli.parameters import argument
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from evs_snap.cli.context import Context

_VARIABLE = "_EVS_SNAP_COMPLETE"


class _Bash(BashComplete):
    """Bash inserts what it is given as it is, in place of the word that it sees begun.

    Its words also begin after ``:``, ``=`` and other characters (COMP_WORDBREAKS), and after an
    open quotation mark.
    """

    source_template = r"""
%(complete_func)s() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            plain,*) COMPREPLY+=("${line#plain,}") ;;
            file,* | dir,*) compopt -o default 2>/dev/null ;;
        esac
    done < <(COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete %(prog_name)s 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def source(self) -> str:
        """Return the script, without asking which bash is here: it may be sourced elsewhere."""
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the word begun there."""
        line = os.environ.get("COMP_WORDS", "")
        start, _, _ = _word_begun(line)
        return split_arg_string(line[:start])[1:], _unquoted(line[start:])

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Quote the value, less the part of it that bash takes for an earlier word."""
        line = os.environ.get("COMP_WORDS", "")
        start, seen, quote = _word_begun(line, os.environ.get("COMP_BREAKS", "=:"))
        value = _option_of(_unquoted(line[start:])) + item.value
        return f"{item.type},{_quoted(value[len(_unquoted(line[start:seen])) :], quote=quote)}"


class _Zsh(ZshComplete):
    """zsh quotes what it inserts, in place of the whole word, ``--option=`` included."""

    source_template = r"""#compdef %(prog_name)s

%(complete_func)s() {
    local -a values shown
    local type value about
    (( $+commands[%(prog_name)s] )) || return 1
    for type value about in "${(@f)$(COMP_WORDS="${words[1,CURRENT]}" COMP_CWORD=$((CURRENT-1)) \
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}"; do
        [[ $type == plain ]] || continue
        values+=("$value")
        [[ $about == _ ]] && shown+=("$value") || shown+=("$value  -- $about")
    done
    (( $#values )) && compadd -U -l -V %(prog_name)s -d shown -a values
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Return three lines: the type, the value, and what is shown beside it."""
        line = os.environ.get("COMP_WORDS", "")
        value = _option_of(_unquoted(line[_word_begun(line)[0] :])) + item.value
        return f"{item.type}\n{value}\n{item.help or '_'}"


class _Fish(FishComplete):
    """fish quotes what it inserts. It matches whole words, ``--option=`` included."""

    source_template = r"""
function %(complete_func)s
    for line in (%(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \
            COMP_CWORD=(commandline -ct | string collect) %(prog_name)s 2>/dev/null)
        string replace 'plain,' '' -- $line
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Return the value and, after a tab, what is shown beside it."""
        value = _option_of(_unquoted(os.environ.get("COMP_CWORD", ""))) + item.value
        return f"{item.type},{value}\t{item.help or ''}"


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


@click.command(
    cls=Command,
    examples=(
        "source <(evs-snap completion bash)                        in ~/.bashrc",
        "source <(evs-snap completion zsh)                         in ~/.zshrc",
        "evs-snap completion fish | source         in ~/.config/fish/config.fish",
    ),
)
@argument("shell", type=click.Choice(tuple(_SHELLS)))
@click.pass_context
def completion(ctx: click.Context, /, *, shell: str) -> None:
    """Print the script that completes commands, options, disks and clouds in a shell."""
    root = ctx.find_root()
    write_result(_SHELLS[shell](root.command, {}, root.info_name or "", _VARIABLE).source())


def answer(root: click.Command, context: Context, *, program: str, instruction: str) -> int:
    """Answer a shell's script, silently where there is nothing to offer; return the exit code."""
    shell = _SHELLS.get(instruction.removesuffix("_complete"))
    if shell is None:
        return 1
    try:
        write_result(shell(root, {"obj": context}, program, _VARIABLE).complete() + "\n")
    except (click.ClickException, EvsSnapError):
        return 1
    return 0


def _word_begun(line: str, breaks: str = "") -> tuple[int, int, str]:
    """Return where the last word of a line begins, also as bash sees it, and the open quote."""
    start = seen = 0
    quote = before = ""
    for at, character in enumerate(line, start=1):
        if before == "\\":
            before = ""
            continue
        before = character if quote != "'" else ""
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote, seen = character, at
        elif character.isspace():
            start = seen = at
        elif character in breaks and character != "\\":
            seen = at
    return start, seen, quote


def _unquoted(word: str) -> str:
    return next(iter(split_arg_string(word)), "")


def _option_of(word: str) -> str:
    """Return the ``--option=`` that a word begins with, if it does: Click leaves it out."""
    option = re.match("-[^=]*=", word)
    return option[0] if option else ""


def _quoted(value: str, *, quote: str) -> str:
    """Quote a value for bash, inside a quotation that may be open already."""
    if quote == "'":
        return value.replace("'", r"'\''")
    if quote == '"':
        return re.sub(r'([\\"$`])', r"\\\1", value)
    return re.sub(r"([^\w.%+/,@-])", r"\\\1", value)
