"""evs-snap, which writes to the file ``WATCHED`` for how many seconds it watched what it did.

``watched.py WORDS`` is ``evs-snap WORDS``. What the service is still doing after the last POST
and DELETE were answered takes the same time whoever waits for it: this tells it apart.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from evs_snap.runs import watch as module

_watch = module.watch
_spent: list[float] = []


def _timed(*args: Any, **kwargs: Any) -> Any:
    began = time.perf_counter()
    try:
        return _watch(*args, **kwargs)
    finally:
        _spent.append(time.perf_counter() - began)
        Path(os.environ["WATCHED"]).write_text(str(sum(_spent)), encoding="utf-8")


module.watch = _timed  # before the modules that call it take it by its name

from evs_snap.__main__ import main  # noqa: E402

main()
