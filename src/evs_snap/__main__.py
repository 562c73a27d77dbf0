"""The program: ``evs-snap``, and ``python -m evs_snap``."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the program. Signals are held back while it is being loaded."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    from evs_snap.cli import main as run_program  # noqa: PLC0415 - see above

    run_program()


if __name__ == "__main__":
    main()
