"""The gateway before the pretend cloud, as WSGI middleware: it lets in who signs rightly.

Written from the vendor's description of SDK-HMAC-SHA256 alone, so that it shares no mistake
with whoever signs: https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
Requests without such a signature pass unchanged: the cloud itself asks for their token.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

import httpx

from evs_snap.sandbox import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class KeyPair(NamedTuple):
    """What signs."""

    access_key: str
    secret_key: str


KEYS = KeyPair("SANDBOXACCESSKEY0001", "everybodymayknowthissandboxsecretkey0001")
TEMPORARY = KeyPair("SANDBOXACCESSKEY0002", "everybodymayknowthissandboxsecretkey0002")
SECURITY_TOKEN = "everybody-may-know-this-sandbox-security-token"
"""What must go with the temporary keys."""

ALGORITHM = "SDK-HMAC-SHA256"
_SECRETS = dict([KEYS, TEMPORARY])
_MAX_SKEW = timedelta(minutes=15)
_FORM = re.compile(
    rf"{ALGORITHM} +Access=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([^,\s]+)"
)


@dataclass(frozen=True)
class _Received:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class RefusedError(Exception):
    """The gateway lets nobody in, and says why."""

    def __init__(self, reason: str, *, status: int = 401, code: str = "APIGW.0301") -> None:
        super().__init__(reason)
        self.status = HTTPStatus(status)
        self.code = code


class SignatureCheck:
    """Checks signatures, and signs in to the cloud behind it for those that are right."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        now: Callable[[], datetime],
        keys_end: datetime | None = None,
    ) -> None:
        """``keys_end`` is when the temporary keys expire; None is never."""
        self._app = app
        self._now = now
        self._keys_end = keys_end

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("HTTP_AUTHORIZATION", "").startswith(ALGORITHM):
            return self._app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        received = _received(environ, body)
        try:
            self._check(received)
        except RefusedError as refused:
            message = f"Incorrect IAM authentication information: {refused}"
            document = {
                "error_msg": message,
                "error_code": refused.code,
                "request_id": uuid4().hex,
            }
            return _answer(start_response, refused.status, document)
        if received.path.endswith("/v3/projects"):
            return _answer(start_response, HTTPStatus.OK, _projects(received.query))
        inside = {
            **environ,
            "wsgi.input": io.BytesIO(body),
            "HTTP_X_AUTH_TOKEN": _sign_in(self._app),
        }
        return self._app(inside, start_response)

    def _check(self, received: _Received) -> None:
        claim = _FORM.fullmatch(received.headers["authorization"].strip())
        if claim is None:
            raise RefusedError("the Authorization header is malformed")
        access_key, names, signature = claim[1], claim[2].split(";"), claim[3]
        if access_key not in _SECRETS:
            raise RefusedError(f"ak {access_key} not exist")
        if access_key == TEMPORARY.access_key:
            self._check_security_token(received.headers.get("x-security-token"))
        date = received.headers.get("x-sdk-date", "")
        if names != sorted(set(names)) or not {"host", "x-sdk-date"} <= set(names):
            raise RefusedError("verify aksk signature fail, SignedHeaders are not as they must be")
        if not set(names) <= received.headers.keys():
            raise RefusedError("verify aksk signature fail, a signed header is not there")
        self._check_date(date)
        text = _canonical(received, names)
        if not _is_right(signature, text=text, date=date, secret_key=_SECRETS[access_key]):
            # The gateway, too, says what it saw.
            seen = text.replace("\n", "|")
            raise RefusedError(f"verify aksk signature fail, canonicalRequest:{seen}")
        project = re.search(r"/v[1235]/([0-9a-f]{32})/", received.path)
        wanted = project[1] if project else ACCOUNT.project_id
        if received.headers.get("x-project-id", wanted) != wanted:
            raise RefusedError("x-project-id is not the project of the path")

    def _check_security_token(self, token: str | None) -> None:
        if not token:
            raise RefusedError("x-security-token not found")
        if token != SECURITY_TOKEN:
            raise RefusedError("the security token does not belong to the ak")
        if self._keys_end is not None and self._now() >= self._keys_end:
            raise RefusedError("The security token has expired.", status=400, code="IAM.1108")

    def _check_date(self, date: str) -> None:
        form = "%Y%m%dT%H%M%SZ"
        try:
            signed_at = datetime.strptime(date, form).replace(tzinfo=UTC)
        except ValueError:
            raise RefusedError(f"x-sdk-date {date} is malformed") from None
        now = self._now().astimezone(UTC)
        if abs(now - signed_at) > _MAX_SKEW:
            raise RefusedError(
                f"signature expired, signature time:{date},server time:{now.strftime(form)}"
            )


def _canonical(received: _Received, names: Sequence[str]) -> str:
    """Return the text that is signed, made from the request as it was received."""
    # Split first: a %2F is no slash. (The vendor's SDK decodes first; IDs have none.)
    path = "/".join(quote(_octets(part), safe="") for part in received.path.split("/"))
    pairs = [part.partition("=") for part in received.query.split("&") if part]
    # The order is that of the names and values themselves, not of how they are coded.
    ordered = sorted((_octets(key), _octets(value)) for key, _, value in pairs)
    return "\n".join(
        (
            received.method,
            path if path.endswith("/") else f"{path}/",
            "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in ordered),
            "".join(f"{name}:{received.headers[name]}\n" for name in names),
            ";".join(names),
            hashlib.sha256(received.body).hexdigest(),
        )
    )


def _is_right(signature: str, *, text: str, date: str, secret_key: str) -> bool:
    """Tell whether whoever signed the canonical text has the secret key."""
    digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
    signed = f"{ALGORITHM}\n{date}\n{digest}".encode("latin-1")
    return hmac.new(secret_key.encode(), signed, hashlib.sha256).hexdigest() == signature


def _octets(text: str) -> bytes:
    """Decode a part. A plus is a plus here: it stands for a blank in forms only."""
    return unquote_to_bytes(text.encode("latin-1"))


def _received(environ: WSGIEnvironment, body: bytes) -> _Received:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value).strip()
        for name, value in environ.items()
        if name.startswith("HTTP_") or name == "CONTENT_TYPE"
    }
    # The path is decoded when it comes here; quoting it anew is right for paths without %2F.
    path = quote(environ["PATH_INFO"].encode("latin-1", "replace"))
    query = environ.get("QUERY_STRING", "")
    return _Received(environ["REQUEST_METHOD"], path, query, headers, body)


def _projects(query: str) -> dict[str, object]:
    name = httpx.QueryParams(query).get("name", ACCOUNT.project_name)
    project = {"id": ACCOUNT.project_id, "name": ACCOUNT.project_name}
    return {"projects": [project] if name == ACCOUNT.project_name else []}


def _sign_in(app: WSGIApplication) -> str:
    user = {"id": ACCOUNT.user_id, "password": ACCOUNT.password}
    identity = {"methods": ["password"], "password": {"user": user}}
    auth = {"identity": identity, "scope": {"project": {"id": ACCOUNT.project_id}}}
    with httpx.Client(transport=httpx.WSGITransport(app=app)) as client:
        answer = client.post("http://inside.localhost/v3/auth/tokens", json={"auth": auth})
    return answer.headers["X-Subject-Token"]


def _answer(
    start_response: StartResponse, status: HTTPStatus, document: Mapping[str, object]
) -> list[bytes]:
    body = json.dumps(document).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if "request_id" in document:
        headers.append(("X-Request-Id", str(document["request_id"])))
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
