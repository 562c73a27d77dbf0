"""httpx without its own command line, which would load rich and pygments: half of its weight.

Everything here that uses httpx imports it from this module.
"""

from __future__ import annotations

import sys

_COMMAND_LINE = "httpx._main"

# None in sys.modules makes the import fail, and httpx goes on without its command line.
sys.modules.setdefault(_COMMAND_LINE, None)  # type: ignore[arg-type]  # None is allowed there
import httpx  # noqa: E402

if sys.modules[_COMMAND_LINE] is None:
    del sys.modules[_COMMAND_LINE]  # others in this process may want it

__all__ = ["httpx"]
