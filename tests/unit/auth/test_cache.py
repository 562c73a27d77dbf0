"""Tokens between runs: for one user and one identity alone; a broken file is no error."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from evs_snap.auth.cache import ScopedToken, TokenCache

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
PASSWORD = "s3cret-p4ssword"
ME = ("https://iam.example.com", "eu-de", "cron")
SCOPED = ScopedToken("gAAAA-t0ken", NOW + timedelta(hours=24), "p" * 32, "https://evs.example.com")


@pytest.fixture(name="cache")
def _cache(tmp_path: Path) -> TokenCache:
    return TokenCache(tmp_path / "cache" / "tokens")


def the_file(cache: TokenCache) -> Path:
    (path,) = cache.folder.iterdir()
    return path


@pytest.mark.parametrize("password", [PASSWORD, "pässwörd", "", "\udce9"])
def test_what_was_saved_is_found_again_by_the_same_identity_and_secret_alone(
    cache: TokenCache, password: str
) -> None:
    """A password that the service no longer takes must not keep on working here."""
    assert cache.load(ME, secret=password) is None
    assert not cache.folder.exists()
    cache.save(ME, SCOPED, secret=password)
    assert cache.load(ME, secret=password) == SCOPED
    for other in ((*ME, "x"), ME[:2], (ME[0] + "eu-de", "", "cron")):
        assert cache.load(other, secret=password) is None
    assert cache.load(ME, secret="another") is None
    raw = the_file(cache).read_bytes()
    assert not password or json.dumps(password).encode() not in raw
    first = json.loads(raw)
    cache.save(ME, SCOPED, secret=password)
    second = json.loads(the_file(cache).read_bytes())
    assert not {first["salt"], first["proof"]} & {second["salt"], second["proof"]}


def test_only_the_user_can_read_it_and_what_others_can_read_is_not_used(cache: TokenCache) -> None:
    before = os.umask(0)
    try:
        cache.save(ME, SCOPED, secret=PASSWORD)
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(the_file(cache).stat().st_mode) == 0o600
    for mode in (0o640, 0o604, 0o660, 0o666):
        the_file(cache).chmod(mode)
        assert cache.load(ME, secret=PASSWORD) is None


CORRUPT = [
    b"", b"{", b"[]", b'"text"', b"null", b"7", b"{}", b"\xff\xfe", b"[" * 100_000, b"1" * 5000
]  # fmt: skip


def test_a_corrupt_file_or_value_is_no_error(cache: TokenCache) -> None:
    cache.save(ME, SCOPED, secret=PASSWORD)
    whole = json.loads(the_file(cache).read_text())
    odd: list[object] = [None, 7, "", []]
    wrong = [
        *({**whole, key: value} for key in whole if key != "roles" for value in odd),
        *({k: v for k, v in whole.items() if k != key} for key in whole if key != "roles"),
        *({**whole, "token": token} for token in ("tok\nen", "tökén", "tok en")),
    ]
    for content in [*CORRUPT, *(json.dumps(document).encode() for document in wrong)]:
        the_file(cache).write_bytes(content)
        assert cache.load(ME, secret=PASSWORD) is None, content[:80]
    cache.save(ME, SCOPED, secret=PASSWORD)
    assert cache.load(ME, secret=PASSWORD) == SCOPED


def test_a_cache_that_cannot_be_written_is_no_error_and_leaves_nothing_behind(
    cache: TokenCache, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "tokens", tmp_path / "file", tmp_path / ("x" * 500)):
        TokenCache(folder).save(ME, SCOPED, secret=PASSWORD)
        assert TokenCache(folder).load(ME, secret=PASSWORD) is None
    cache.save(ME, SCOPED, secret=PASSWORD)
    path = the_file(cache)
    path.unlink()
    path.mkdir()
    cache.save(ME, SCOPED, secret=PASSWORD)
    assert the_file(cache) == path
    assert cache.load(ME, secret=PASSWORD) is None


@pytest.mark.parametrize(
    ("left", "fresh"),
    [
        *((timedelta(minutes=60), True), (timedelta(minutes=4), False), (timedelta(), False)),
        *((timedelta(days=-1), False), (datetime.min.replace(tzinfo=UTC) - NOW, False)),
        (datetime.max.replace(tzinfo=UTC) - NOW, True),
    ],
)
def test_a_token_about_to_expire_is_not_fresh(left: timedelta, *, fresh: bool) -> None:
    assert ScopedToken("t", NOW + left, "p", "https://evs").is_fresh(NOW) is fresh


SAVE_OFTEN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from evs_snap.auth.cache import ScopedToken, TokenCache
cache = TokenCache(Path(sys.argv[1]))
for turn in range(20):
    scoped = ScopedToken(sys.argv[2] * 5000, datetime(2030, 1, 1, tzinfo=UTC), "p", "https://e")
    cache.save(["me"], scoped, secret="password")
    found = cache.load(["me"], secret="password")
    assert found and set(found.token) in ({"a"}, {"b"}) and len(found.token) == 5000
"""


def test_two_processes_never_read_each_others_half_written_file(tmp_path: Path) -> None:
    """The file is replaced as a whole."""
    line = [sys.executable, "-c", SAVE_OFTEN, str(tmp_path / "tokens")]
    both = [subprocess.Popen([*line, letter]) for letter in "ab"]
    assert [process.wait(timeout=30) for process in both] == [0, 0]
    assert len(list((tmp_path / "tokens").iterdir())) == 1
