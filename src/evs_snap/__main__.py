"""``python -m evs_snap``."""

from evs_snap.cli import main

main()
