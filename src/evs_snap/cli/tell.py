"""TELL: what a run did, told to a heartbeat service and to Prometheus' textfile collector.

Neither changes the exit code: what cannot be told is a warning.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from evs_snap.cli.output import note, write_line
from evs_snap.cli.parameters import TELLING, option
from evs_snap.cli.signals import ENDED, StoppedError
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evs_snap.cli.context import Context
    from evs_snap.cli.heartbeat import Heartbeat
    from evs_snap.cli.parameters import F
    from evs_snap.render.metrics import Ending

    Tell = Callable[[Ending], None]

_READABLE = 0o644
_LARGEST = 64 * 2**20


def tell_options(command: F) -> F:
    """Add TELL. The command gets ``tell``, which takes how it ended.

    A dry run tells nobody: it did nothing.
    """

    @wraps(command)
    def telling(*args: Any, ping: str | None, metrics: str | None, **others: Any) -> Any:
        current = click.get_current_context()
        if others.get("dry_run"):
            ping = metrics = None
        name = current.command.name or ""
        with _telling(current.obj, name, ping=ping, metrics=metrics) as tell:
            return command(*args, tell=tell, **others)

    return option(
        "--ping", metavar="URL", section=TELLING,
        help="Tell URL/start and URL/EXITCODE, as healthchecks.io; better as EVS_SNAP_PING.",
    )(option(
        "--metrics", metavar="FILE", section=TELLING,
        help="Write metrics for Prometheus' textfile collector, as NAME.prom.",
    )(cast("F", telling)))  # fmt: skip


@contextmanager
def _telling(
    context: Context, command: str, *, ping: str | None, metrics: str | None
) -> Iterator[Tell]:
    if not (ping or metrics):
        yield lambda _ending: None
        return
    from evs_snap.render.metrics import Ending

    clock = context.clock
    began = clock.monotonic()
    ending = Ending()

    def tell(how: Ending) -> None:
        nonlocal ending
        ending = how

    heartbeat = _heartbeat(context, ping) if ping else None
    try:
        if heartbeat:
            _warn(context, heartbeat.tell("/start"))
        yield tell
    except StoppedError as stopped:
        ending = replace(ending, exit_code=stopped.code, text=ENDED[stopped.code])
        raise
    except (EvsSnapError, click.ClickException) as error:
        from evs_snap.cli.check import UNKNOWN

        code = UNKNOWN if command == "check" else error.exit_code
        ending = replace(ending, exit_code=code, text=error.message)
        raise
    finally:
        if metrics:
            _write(context, Path(metrics), ending, command, duration=clock.monotonic() - began)
        if heartbeat:
            body = f"evs-snap {command}, exit code {ending.exit_code}: {ending.text}\n"
            path = f"/{int(ending.exit_code)}" if ending.exit_code else ""
            _warn(context, heartbeat.tell(path, body=body))


def _heartbeat(context: Context, ping: str) -> Heartbeat | None:
    from evs_snap.cli.heartbeat import Heartbeat

    log = (lambda text: note(context, text)) if context.verbose else lambda _text: None
    try:
        return Heartbeat(ping, clock=context.clock, note=log)
    except EvsSnapError as error:
        _warn(context, error.message)
        return None


def _write(context: Context, path: Path, ending: Ending, command: str, *, duration: float) -> None:
    """Write the metrics whole: a reader finds the old file or the new one."""
    from evs_snap.render.metrics import metrics_text

    text = metrics_text(
        ending,
        run=path.stem,
        command=command,
        at=context.clock.now(),
        duration=duration,
        last_success=_last_success(path),
    )
    try:
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
    except OSError as error:
        _warn(context, f"the metrics cannot be written to {path}: {error.strerror or error}")


def _last_success(path: Path) -> float:
    """Return what the file told before: Unix time, or 0."""
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
