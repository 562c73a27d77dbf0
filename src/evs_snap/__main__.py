"""The program: ``evs-snap``, and ``python -m evs_snap``."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the program. A signal that comes while it is being loaded waits until it is."""
    if hasattr(signal, "pthread_sigmask"):  # Windows has none
        waiting = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    from evs_snap.cli import main as run_program  # noqa: PLC0415 - see above

    run_program()


if __name__ == "__main__":
    main()
