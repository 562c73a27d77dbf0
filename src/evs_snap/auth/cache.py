"""Tokens kept between runs, one file (mode 0600) for each identity."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from evs_snap.api.wire import parse_time
from evs_snap.settings.folders import cache_folder

MARGIN = timedelta(minutes=5)
"""A token that ends sooner than this is not used."""


@dataclass(frozen=True, slots=True)
class ScopedToken:
    """A token for one project, when it ends (UTC), and where the volume service is."""

    token: str = field(repr=False)
    expires_at: datetime
    project_id: str
    endpoint: str
    roles: tuple[str, ...] = ()

    def is_fresh(self, now: datetime) -> bool:
        """Whether it stays valid for at least MARGIN."""
        return self.expires_at > now + MARGIN


@dataclass(frozen=True, slots=True)
class TokenCache:
    """Tokens by identity, in files below ``folder``.

    A file is named after a hash of all settings of the sign-in but the secret. It holds a
    salted hash of the secret, so that a token is not used after the password has changed.
    A cache that cannot be read or written is not an error: the run signs in.
    """

    folder: Path

    def load(self, identity: Sequence[str], *, secret: str) -> ScopedToken | None:
        """Return the token that was saved for this identity and this secret, or None."""
        path = self._path(identity)
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:  # others could read or write it
                return None
            document = json.loads(path.read_text(encoding="utf-8"))
            proof = _proof(secret, salt=bytes.fromhex(document["salt"]))
            if not hmac.compare_digest(proof, document["proof"]):
                return None
            expires_at = parse_time(document["expires_at"])
            texts = [document[key] for key in ("token", "project_id", "endpoint")]
            roles = tuple(str(role) for role in document.get("roles", ()))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        if expires_at is None or not all(isinstance(text, str) and text for text in texts):
            return None
        if not is_token(texts[0]):
            return None
        token, project_id, endpoint = texts
        return ScopedToken(token, expires_at, project_id, endpoint, roles)

    def save(self, identity: Sequence[str], scoped: ScopedToken, *, secret: str) -> None:
        """Keep a token, readable by this user alone. A reader never sees half a file."""
        salt = os.urandom(16)
        document = {
            "salt": salt.hex(),
            "proof": _proof(secret, salt=salt),
            "token": scoped.token,
            "expires_at": scoped.expires_at.isoformat(),
            "project_id": scoped.project_id,
            "endpoint": scoped.endpoint,
            "roles": list(scoped.roles),
        }
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder)  # made 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(document, file)
                Path(name).replace(self._path(identity))
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError:
            return

    def forget(self, identity: Sequence[str]) -> None:
        """Delete the token of this identity."""
        with suppress(OSError):
            self._path(identity).unlink()

    def _path(self, identity: Sequence[str]) -> Path:
        digest = hashlib.sha256(json.dumps(list(identity)).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"


def kept_tokens(environ: Mapping[str, str]) -> TokenCache | None:
    """Return the cache in the user's cache folder; None where there is no such folder."""
    folder = cache_folder(environ)
    return TokenCache(folder / "tokens") if folder else None


def is_token(value: str) -> bool:
    """Whether a text can be sent in a header."""
    return re.fullmatch("[!-~]+", value) is not None


def _proof(secret: str, *, salt: bytes) -> str:
    # It is slow on purpose (about 10 ms), so that the file does not help to guess the password.
    data = secret.encode(errors="surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=2**12, r=8, p=1).hex()
