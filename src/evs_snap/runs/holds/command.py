"""A command that holds something while snapshots are taken, as a database's lock.

The protocol: the command freezes or locks, writes ``READY`` on a line of its stdout, and waits for
the end of its stdin, or for a deadline of its own. Then it lets go, and ends: with 0 only if it
held until the end of its stdin. The pipe on its stdin is the lifeline: if this process dies, the
kernel closes the pipe. There is no second command that lets go, which could be lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import IO

from evs_snap.clock import Clock
from evs_snap.errors import HoldError, InterruptedRunError

_READY = "READY"

_LOOK = 0.05
"""Seconds between two looks at whether a signal asks to stop."""

_SETTLE = 0.1
"""Seconds that the command must live on after READY. One that ends at once holds nothing."""

_LONGEST_LINE = 4096
_MOST_TOLD = 64 << 10
"""Bytes of each of the command's streams that are passed on: a log has an end."""


_OURS = ("OS_", "OTC_", "HW_", "HUAWEICLOUD_", "EVS_SNAP_")
"""How the variables begin that sign-in and settings are read from."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What to hold: a line for ``/bin/sh -c``, and for how many seconds at most.

    READY must come within that time too. ``patience`` is how many seconds the command has to end
    when its stdin has ended; after that it is sent SIGTERM, and as much later SIGKILL.
    """

    command: str
    seconds: float
    patience: float = 10.0


@dataclass(frozen=True, slots=True)
class Release:
    """How a hold ended.

    ``seconds`` is the time from READY until the command had ended. ``trouble`` says why what was
    made meanwhile is not sure to be consistent; None where the hold lasted until it was released.
    """

    seconds: float
    trouble: str | None


def surroundings(
    environ: Mapping[str, str], about: Mapping[str, Sequence[str]], *, seconds: float
) -> dict[str, str]:
    """Return the command's environment: that of this process without secrets, and the run.

    Each of ``about`` becomes ``EVS_SNAP_<NAME>``, a text a line. What only this program reads is
    left out, since it may be a secret, and so is a proxy's address with a password in it.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_OURS) and not (name.lower().endswith("_proxy") and "@" in value)
    }
    told = {f"EVS_SNAP_{key.upper()}": "\n".join(map(_plain, about[key])) for key in about}
    return {**kept, **told, "EVS_SNAP_HOLD_SECONDS": f"{seconds:g}"}


@contextmanager
def hold(
    wanted: Hold, *, clock: Clock, environ: Mapping[str, str], note: Callable[[str], None]
) -> Iterator[Held]:
    """Start the command, wait until it is ready, and give its hold, released at the end.

    ``environ`` is the command's whole environment (see `surroundings`). ``note`` is given each
    line that it writes, from a thread. Raises HoldError where it is not ready in time, and
    InterruptedRunError where a signal asks to stop before that; it has ended by then.
    """
    clock.stop.begin()  # a signal must let the command end in order
    held = Held(wanted, clock=clock, environ=environ, note=note)
    try:
        held.await_ready()
        yield held
    finally:
        held.release()


class Held:
    """A hold. ``until`` is when its time is over, as the clock's ``monotonic`` counts.

    The command is a session of its own: Ctrl-C at the terminal does not reach it, and signals sent
    to its process group reach its children.
    """

    def __init__(
        self, wanted: Hold, *, clock: Clock, environ: Mapping[str, str], note: Callable[[str], None]
    ) -> None:
        self._wanted = wanted
        self._clock = clock
        self._note = note
        self._news: SimpleQueue[str] = SimpleQueue()
        self._release: Release | None = None
        self._since = clock.monotonic()
        try:
            # Both ends of the pipes are close-on-exec: no other child gets the lifeline's end.
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command, typed
                ["/bin/sh", "-c", wanted.command],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise HoldError(f"the hold cannot be started: {error}") from error
        self._pumps = [
            threading.Thread(target=self._pump, args=(stream, is_stdout), daemon=True)
            for stream, is_stdout in ((self._process.stdout, True), (self._process.stderr, False))
        ]
        for pump in self._pumps:
            pump.start()

    @property
    def until(self) -> float:
        """When the time of the hold is over."""
        return self._since + self._wanted.seconds

    def await_ready(self) -> None:
        """Wait for READY. Raises HoldError or InterruptedRunError."""
        while True:
            try:
                is_ready = self._news.get(timeout=_LOOK) == _READY
            except Empty:
                if self._clock.stop.asked:
                    raise InterruptedRunError("stopped before the hold was ready") from None
                if self._process.poll() is not None:
                    is_ready = False
                elif self._clock.monotonic() < self.until:
                    continue
                else:
                    raise HoldError(
                        f"the hold was not ready within {self._wanted.seconds:g} s",
                        hint="The command must write READY on a line of its own to stdout, and "
                        "flush it, once all stands still. --hold-for is how long it may take.",
                    ) from None
            break
        self._since = self._clock.monotonic()
        ended = self._ending(within=_SETTLE)
        if is_ready and ended is None:
            return
        if ended is None:
            raise HoldError("the hold closed its stdout without a line READY")
        hint = (
            "A command that ends has let go: it must wait for the end of its stdin, as `cat` does."
            if is_ready
            else None
        )
        when = "right after READY" if is_ready else "before it was ready"
        raise HoldError(f"the hold ended {when}, with {ended}", hint=hint)

    def release(self) -> Release:
        """Close the command's stdin, wait for its end, and say how it went; once only."""
        if self._release is None:
            trouble = self._end()
            seconds = self._clock.monotonic() - self._since
            for pump in self._pumps:
                pump.join(_SETTLE)  # its last words belong before what we say next
            self._release = Release(seconds, trouble)
        return self._release

    def _end(self) -> str | None:
        gone = self._process.poll()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        if gone is not None:
            return f"the hold ended too early, with {_how(gone)}"
        ended = self._ending(within=self._wanted.patience)
        if ended is not None:
            return None if self._process.returncode == 0 else f"the hold ended with {ended}"
        for sent in (signal.SIGTERM, signal.SIGKILL):
            self._note(
                f"it goes on {self._wanted.patience:g} s after its stdin ended: {sent.name} is sent"
            )
            # It may be another user's, started by sudo: then its own deadline ends it.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, sent)
            if self._is_over(within=self._wanted.patience):
                return f"the hold did not end by itself; {sent.name} ended it"
        return "the hold cannot be ended, not by SIGKILL either: the kernel is at work for it"

    def _ending(self, *, within: float) -> str | None:
        """Return how the command ended, or None where it goes on. Waits through a stop."""
        try:
            return _how(self._process.wait(within))
        except subprocess.TimeoutExpired:
            return None

    def _is_over(self, *, within: float) -> bool:
        """Whether the command and its children ended. Waits through a stop.

        Children that write elsewhere are not seen. Their process group tells no more: who was
        killed stays in it until PID 1 has taken note, which in a container may be never.
        """
        is_over = self._ending(within=within) is not None
        for pump in self._pumps:
            pump.join(within)
        return is_over and not any(pump.is_alive() for pump in self._pumps)

    def _pump(self, stream: IO[bytes], is_stdout: bool) -> None:  # noqa: FBT001 - a thread's argument
        """Pass on what the command writes, until it ends; take note of READY."""
        is_awaited, told = is_stdout, 0
        with stream:
            while line := stream.readline(_LONGEST_LINE):
                text = line.decode(errors="replace").strip()
                if is_awaited and text == _READY:
                    self._news.put(_READY)
                    is_awaited = False
                elif text and told <= _MOST_TOLD:
                    told += len(line)
                    self._note(text if told <= _MOST_TOLD else "(more of this is not shown)")
        if is_awaited:
            self._news.put("closed")


def _how(code: int) -> str:
    return f"code {code}" if code >= 0 else f"signal {-code}"


def _plain(text: str) -> str:
    """Replace what would break a line: names come from the server."""
    return "".join(c if c.isprintable() else "?" for c in text)
