"""Where files are kept between runs, with and without a home directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from evs_snap.errors import ConfigurationError
from evs_snap.settings.folders import cache_folder, state_folder

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="it has places of its own")


@pytest.mark.parametrize("relative", ["", "x"])
def test_a_home_directory_is_enough(relative: str) -> None:
    """A relative path in a variable is ignored: it would move with the working directory."""
    home = {"XDG_CACHE_HOME": relative, "XDG_STATE_HOME": relative, "HOME": "/srv/cron"}
    assert cache_folder(home) == Path("/srv/cron/.cache/evs-snap")
    assert state_folder(home) == Path("/srv/cron/.local/state/evs-snap")


def test_a_user_without_a_home_directory_is_told_both_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """found: a traceback; then one variable a run, and lists failed for want of a cache."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert cache_folder({}) is None
    with pytest.raises(ConfigurationError, match="no home directory") as caught:
        state_folder({"XDG_STATE_HOME": "not/absolute"})
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        assert variable in (caught.value.hint or "")
    assert cache_folder({"XDG_CACHE_HOME": "/run/x"}) == Path("/run/x/evs-snap")
    assert state_folder({"XDG_STATE_HOME": "/run/x"}) == Path("/run/x/evs-snap")
