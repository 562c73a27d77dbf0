"""TELL: reports how a run ended to a heartbeat service and to Prometheus' textfile collector.

Neither changes the exit code: a report that fails is a warning.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from evs_snap.cli.output import note, write_line
from evs_snap.cli.parameters import TELLING, option, written_as
from evs_snap.cli.signals import ENDED, StoppedError
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evs_snap.cli.context import Context
    from evs_snap.cli.heartbeat import Heartbeat
    from evs_snap.cli.parameters import F
    from evs_snap.render.metrics import Ending

    Tell = Callable[[Ending], None]

UNKNOWN = 3
"""What `check` ends with where it could not be found out (Monitoring Plugins guidelines)."""

_READABLE = 0o644
_LARGEST = 64 * 2**20


def tell_options(command: F) -> F:
    """Add TELL. The command gets ``tell`` and calls it with how the run ended.

    A dry run is not reported, because nothing was done.
    """

    @wraps(command)
    def telling(*args: Any, ping: str | None, metrics: str | None, **others: Any) -> Any:
        current = click.get_current_context()
        if others.get("dry_run"):
            ping = metrics = None
        with _telling(current, ping=ping, metrics=metrics) as tell:
            return command(*args, tell=tell, **others)

    return option(
        "--ping", metavar="URL", section=TELLING,
        help="Tell URL/start and URL/EXITCODE, as healthchecks.io; better as EVS_SNAP_PING.",
    )(option(
        "--metrics", metavar="FILE", section=TELLING,
        help="Write metrics for Prometheus' textfile collector, as NAME.prom.",
    )(cast("F", telling)))  # fmt: skip


@contextmanager
def _telling(current: click.Context, *, ping: str | None, metrics: str | None) -> Iterator[Tell]:
    if not (ping or metrics):
        yield lambda _ending: None
        return
    from evs_snap.render.metrics import Ending

    context: Context = current.obj
    command = current.command.name or ""
    clock = context.clock
    began = clock.monotonic()
    ending = Ending()
    is_stopped = False
    trouble: str | None = None

    def tell(how: Ending) -> None:
        nonlocal ending
        ending = how

    heartbeat = _heartbeat(current, ping) if ping else None
    try:
        if heartbeat:
            _warn(context, trouble := heartbeat.tell("/start"))
        yield tell
    except StoppedError as stopped:
        ending = replace(ending, exit_code=stopped.code, text=ENDED[stopped.code])
        is_stopped = True
        raise
    except (EvsSnapError, click.ClickException) as error:
        code = UNKNOWN if command == "check" else error.exit_code
        ending = replace(ending, exit_code=code, text=error.message)
        raise
    finally:
        if metrics:
            _write(context, Path(metrics), ending, command, duration=clock.monotonic() - began)
        if heartbeat:
            body = f"evs-snap {command}, exit code {ending.exit_code}: {ending.text}\n"
            path = f"/{int(ending.exit_code)}" if ending.exit_code else ""
            why = heartbeat.tell(path, body=body, in_hurry=is_stopped)
            if why != trouble:
                _warn(context, why)


def _heartbeat(current: click.Context, ping: str) -> Heartbeat | None:
    from evs_snap.cli.heartbeat import Heartbeat
    from evs_snap.settings.values import is_switched_on

    context: Context = current.obj
    log = (lambda text: note(context, text)) if context.verbose else lambda _text: None
    allow_http = is_switched_on(os.environ.get("EVS_SNAP_ALLOW_HTTP", ""))
    try:
        return Heartbeat(ping, clock=context.clock, note=log, allow_http=allow_http)
    except EvsSnapError as error:
        _warn(context, f"nothing is told to {written_as(current, 'ping')}: {error.message}")
        return None


def _write(context: Context, path: Path, ending: Ending, command: str, *, duration: float) -> None:
    from evs_snap.render.metrics import metrics_text

    text = metrics_text(
        ending,
        run=path.stem,
        command=command,
        at=context.clock.now(),
        duration=duration,
        last_success=_last_success(path),
    )
    why = ""
    try:
        if _is_our_stream(path):
            why = "the run's own output goes there"
        elif path.is_file() or not path.exists():
            _replace(Path(os.path.realpath(path)), text)
        elif path.is_char_device():
            path.write_text(text, encoding="utf-8")
        else:
            why = "it is no regular file"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        _warn(context, f"the metrics cannot be written to {path}: {why}")


def _is_our_stream(path: Path) -> bool:
    """Whether the path is our stdout or stderr, as /dev/stdout is; the null device never is."""
    for number in (1, 2):
        with suppress(OSError):
            stream = os.fstat(number)
            null = Path(os.devnull).stat()
            if os.path.samestat(stream, path.stat()) and not os.path.samestat(stream, null):
                return True
    return False


def _replace(path: Path, text: str) -> None:
    """Write the file whole: a reader finds the old one or the new one."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            temporary.chmod(_READABLE)
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise


def _last_success(path: Path) -> float:
    """Return the time of the last success that the file tells of: Unix time, or 0."""
    from evs_snap.render.metrics import LAST_SUCCESS

    with suppress(OSError, ValueError):
        if path.is_file() and path.stat().st_size <= _LARGEST:
            told = re.search(
                rf"^{LAST_SUCCESS}\{{.*\}} ([0-9.]+)$", path.read_text("utf-8"), re.MULTILINE
            )
            return float(told[1]) if told else 0.0
    return 0.0


def _warn(context: Context, text: str | None) -> None:
    if text:
        write_line(context, "warning:", text)
