"""Where files are kept between runs, with and without a home directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from evs_snap.errors import ConfigurationError
from evs_snap.settings.folders import cache_folder, state_folder

pytestmark = pytest.mark.skipif(
    sys.platform in {"darwin", "win32"}, reason="they have places of their own"
)
FOLDERS = {"XDG_CACHE_HOME": cache_folder, "XDG_STATE_HOME": state_folder}


@pytest.fixture(name="homeless")
def _homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a user that no passwd entry tells a home directory of."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)


@pytest.mark.parametrize("environ", [{}, {"XDG_CACHE_HOME": "x", "XDG_STATE_HOME": "x"}])
def test_a_home_directory_is_enough(environ: dict[str, str]) -> None:
    """A relative path in a variable is to be ignored: it would move with the working directory."""
    home = {**environ, "HOME": "/srv/cron"}
    assert cache_folder(home) == Path("/srv/cron/.cache/evs-snap")
    assert state_folder(home) == Path("/srv/cron/.local/state/evs-snap")


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("variable", FOLDERS)
def test_a_user_without_a_home_directory_can_name_the_folder(variable: str) -> None:
    """found: a traceback, "could not determine the home directory", although it was named."""
    assert FOLDERS[variable]({variable: "/run/x"}) == Path("/run/x/evs-snap")


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("variable", FOLDERS)
@pytest.mark.parametrize("value", ["", "not/absolute"])
def test_a_user_without_a_home_directory_is_told_the_variable(variable: str, value: str) -> None:
    """found: a traceback, "could not determine the home directory"."""
    with pytest.raises(ConfigurationError, match="no home directory") as caught:
        FOLDERS[variable]({variable: value})
    assert variable in (caught.value.hint or "")
