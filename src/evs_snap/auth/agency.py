"""Temporary keys of the machine's own agency, from the metadata address of an ECS.

Source: https://support.huaweicloud.com/intl/en-us/usermanual-ecs/ecs_03_0166.html
("/securitykey", and "/meta-data/latest/api/token" where the cloud has it)
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial

from evs_snap.api.bounds import ENDS
from evs_snap.api.http import httpx
from evs_snap.api.refusals import refused
from evs_snap.api.transport import open_direct
from evs_snap.api.wire import parse_time
from evs_snap.clock import Clock
from evs_snap.errors import BadAnswerError, EvsSnapError, NotSentError, SignInError
from evs_snap.settings.credentials import Keys

TIMEOUT = httpx.Timeout(3.0)
ATTEMPTS = 2
PATIENCE = 10.0
"""Seconds for all requests to the address together, however slowly it answers."""

MARGIN = timedelta(minutes=10)
"""Keys last about an hour. With less time left than this, new ones are fetched."""

AGAIN_AFTER = timedelta(minutes=1)
"""The address may give the old keys for a while. It is asked again after this, at the earliest."""

_TOKEN_LIFE = "21600"  # noqa: S105 - seconds
_NOT_OFFERED = frozenset({404, 405, 503})


class AgencyKeys:
    """The machine's keys, fetched when needed and renewed in time. Shared by all threads.

    The address is on the machine's own link, so no proxy is used and answers come quickly.
    """

    def __init__(self, address: str, *, clock: Clock) -> None:
        self._address = address.rstrip("/")
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Keys | None = None
        self._asked = clock.now()

    def current(self, *, refused: Keys | None = None) -> Keys:
        """Return keys that stay valid for a while and are not the ``refused`` ones.

        Raises SignInError where there are none, NotSentError where nobody answers.
        """
        with self._lock:
            keys = self._keys
            if keys is None or keys is refused:
                keys = self._fetch()
            elif keys.expires_at is not None and self._is_due(keys.expires_at):
                keys = self._renewed(keys, end=keys.expires_at)
            self._keys = keys
            return keys

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        keys = self._keys
        return (keys.secret_key, keys.security_token or "") if keys else ()

    def _is_due(self, end: datetime) -> bool:
        now = self._clock.now()
        return now >= end or (now >= self._asked + AGAIN_AFTER and now + MARGIN >= end)

    def _renewed(self, keys: Keys, *, end: datetime) -> Keys:
        """Return new keys. If they cannot be fetched, return the old ones until they end."""
        try:
            return self._fetch()
        except EvsSnapError:
            if self._clock.now() >= end:
                raise
            return keys

    def _fetch(self) -> Keys:
        self._asked = self._clock.now()
        # It is needed once an hour, so each time a new client is opened. Http needs no CAs.
        verify = self._address.startswith("https:")
        ends = self._clock.monotonic() + PATIENCE
        with open_direct(verify=verify, clock=self._clock, timeout=TIMEOUT) as http:
            ask = partial(self._ask, http, ends=ends)
            token = self._metadata_token(ask)
            answer = ask("GET", "/openstack/latest/securitykey", headers=_carrying(token))
        if not answer.is_success:
            raise _no_agency(answer, secrets=(token,))
        try:
            credential = json.loads(answer.content)["credential"]
            return Keys(
                access_key=_text(credential["access"]),
                secret_key=_text(credential["secret"]),
                security_token=_text(credential["securitytoken"]),
                expires_at=parse_time(credential.get("expires_at")),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._odd_answer("keys") from error

    def _metadata_token(self, ask: Callable[..., httpx.Response]) -> str:
        """Return the token to send with the next request; empty where the cloud has none."""
        path = "/meta-data/latest/api/token"
        answer = ask("PUT", path, headers={"X-Metadata-Token-Ttl-Seconds": _TOKEN_LIFE})
        if answer.status_code in _NOT_OFFERED:
            return ""
        if not answer.is_success:
            raise _no_agency(answer)
        try:
            return _text(answer.text.strip())
        except ValueError as error:
            raise self._odd_answer("a token") from error

    def _odd_answer(self, wanted: str) -> SignInError:
        return SignInError(
            f"the metadata address {self._address} answered, but not with {wanted}",
            hint="Is this machine an ECS of the cloud?",
        )

    def _ask(
        self,
        http: httpx.Client,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        ends: float,
    ) -> httpx.Response:
        """Send a request, twice if need be, until the moment ``ends``."""
        failure: Exception | None = None
        for _ in range(ATTEMPTS):
            if failure is not None and self._clock.monotonic() >= ends:
                break
            url, extensions = f"{self._address}{path}", {ENDS: ends}
            try:
                return http.request(method, url, headers=headers, extensions=extensions)
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, BadAnswerError) as error:
                failure = error
        raise NotSentError(
            f"the metadata address {self._address} does not answer: {failure}",
            hint="The machine's own agency can be used only on an ECS of the cloud. "
            "Elsewhere use a password or AK/SK.",
        ) from failure


def _carrying(token: str) -> dict[str, str]:
    return {"X-Metadata-Token": token} if token else {}


def _text(value: object) -> str:
    """Return a text that can be sent in a header. Raises ValueError for any other value."""
    if not isinstance(value, str) or not re.fullmatch("[!-~]+", value):
        raise ValueError
    return value


def _no_agency(answer: httpx.Response, *, secrets: Iterable[str] = ()) -> SignInError:
    refusal = refused(answer, doing="this machine has no keys of an agency", secrets=secrets)
    return SignInError(
        refusal.message,
        hint="Give the ECS an agency with rights to EVS in the console, "
        "or use a password or AK/SK.",
        status=refusal.status,
        code=refusal.code,
        request_id=refusal.request_id,
    )
