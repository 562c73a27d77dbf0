"""Tokens kept between runs: one 0600 file for each identity, so that cron need not sign in."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import stat
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from evs_snap.api.models import parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN = timedelta(minutes=5)
"""A token with less life left than this is not used any more."""


@dataclass(frozen=True, slots=True)
class Session:
    """A project-scoped token, and where it opens the volume service."""

    token: str = field(repr=False)
    expires_at: datetime
    project_id: str
    endpoint: str
    roles: tuple[str, ...] = ()

    def is_fresh(self, now: datetime) -> bool:
        """Whether there is time enough left to use it."""
        return self.expires_at > now + MARGIN


@dataclass(frozen=True, slots=True)
class TokenCache:
    """Sessions by identity, below ``folder``.

    The file's name tells who (a hash of everything but the secret); the file holds
    a salted hash of the secret, so that a changed password is never overlooked.
    A cache that cannot be read or written is no error: one signs in instead.
    """

    folder: Path

    def load(self, identity: Sequence[str], *, secret: str) -> Session | None:
        """Return what was saved for this identity with this very secret."""
        path = self._path(identity)
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077 and os.name == "posix":
                return None
            document = json.loads(path.read_text(encoding="utf-8"))
            proof = _proof(secret, salt=bytes.fromhex(document["salt"]))
            if not hmac.compare_digest(proof, document["proof"]):
                return None
            expires_at = parse_time(document["expires_at"])
            session = [document[key] for key in ("token", "project_id", "endpoint")]
            roles = tuple(str(role) for role in document.get("roles", ()))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        if expires_at is None or not all(isinstance(v, str) and v for v in session):
            return None
        if not is_token(session[0]):
            return None
        return Session(session[0], expires_at, session[1], session[2], roles)

    def save(self, identity: Sequence[str], session: Session, *, secret: str) -> None:
        """Keep a session; readable by this user alone, replaced as a whole."""
        salt = os.urandom(16)
        document = {
            "salt": salt.hex(),
            "proof": _proof(secret, salt=salt),
            "token": session.token,
            "expires_at": session.expires_at.isoformat(),
            "project_id": session.project_id,
            "endpoint": session.endpoint,
            "roles": list(session.roles),
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

    def _path(self, identity: Sequence[str]) -> Path:
        digest = hashlib.sha256(json.dumps(list(identity)).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"


def is_token(value: str) -> bool:
    """Whether a header can carry it."""
    return re.fullmatch("[!-~]+", value) is not None


def _proof(secret: str, *, salt: bytes) -> str:
    # Memory-hard, about 10 ms: the file must not make guessing the password cheap.
    data = secret.encode(errors="surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=2**12, r=8, p=1).hex()
