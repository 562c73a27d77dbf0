"""The program: ``evs-snap``, and ``python -m evs_snap``."""

from __future__ import annotations

import gc
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the program. Signals are held back while it is being loaded.

    Garbage is looked for more rarely than Python does: nearly all that a run makes, it keeps.
    """
    gc.set_threshold(50_000)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    from evs_snap.cli import main as run_program  # noqa: PLC0415 - see above

    run_program()


if __name__ == "__main__":
    main()
