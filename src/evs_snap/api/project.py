"""One project's API, signed in: requests out; documents, rows and one kind of error back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import copy
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from math import inf
from urllib.parse import quote

from pydantic import ValidationError

from evs_snap.api.bounds import SENT, UNTIL
from evs_snap.api.http import httpx
from evs_snap.api.identity import Identity
from evs_snap.api.paging import PAGE_SIZE, Page, Row, all_pages, query_text
from evs_snap.api.redaction import mask
from evs_snap.api.refusals import refused
from evs_snap.api.wire import Model, parse_time, ready
from evs_snap.clock import Clock
from evs_snap.errors import BadAnswerError, EvsSnapError, NotFoundError

_LAST_YEAR = 9000
"""No service lives so late; and what is added to such a date must still be one."""

_AS_GOOD = timedelta(seconds=5)


class Project:
    """Sends requests below the project's address. Safe to share between threads.

    Every method raises UnreachableError, BadAnswerError or a ServiceError when it cannot do
    what its name says.
    """

    def __init__(self, http: httpx.Client, *, auth: Identity, clock: Clock) -> None:
        self._http = http
        self._auth = auth
        self.clock = clock
        """Time and chance, for all that is done with this project."""
        self._ahead = timedelta()
        self._base: str | None = None
        self._until = inf

    def until(self, moment: float) -> Project:
        """Return this project, with requests that end at that moment of ``clock.monotonic``.

        Their failure is raised then, even where they could be repeated.
        """
        hurried = copy(self)
        hurried._until = moment  # noqa: SLF001 - its own
        return hurried

    def send(  # noqa: PLR0913 - all that a request consists of
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        doing: str | None = None,
        version: str | None = None,
        microversion: str | None = None,
        unexplained: str | None = None,
        right: str | None = None,
    ) -> httpx.Response:
        """Send one request below the project's address; return its answer, a success.

        ``body`` is sent as JSON. ``doing`` names the attempt in messages. ``version`` (as
        ``v2``) is the API's, if not that of the address; ``microversion`` is Cinder's.
        ``unexplained`` is a hint for a refusal that may have another reason than it gives,
        ``right`` the name of the right that this needs.
        """
        doing = doing or f"{method} {path}"
        headers = {"Accept": "application/json"}
        if microversion is not None:
            headers["OpenStack-API-Version"] = f"volume {microversion}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body)
        request: httpx.Request | None = None
        try:
            request = httpx.Request(
                method,
                f"{self.address(version=version)}/{path}",
                headers=headers,
                content=content,
                extensions={UNTIL: self._until},
            )
            response = self._http.send(request, auth=self._auth)
        except EvsSnapError as error:
            # What failed may be a sign-in on the way: the count is that of this request.
            error.sent = request.extensions.get(SENT, 0) if request else 0
            raise
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise BadAnswerError(f"{doing}: {str(error) or type(error).__name__}") from error
        self._read_date(response.headers.get("Date"))
        if not response.is_success:
            raise refused(
                response,
                doing=doing,
                secrets=self._auth.secrets,
                unexplained=unexplained,
                right=right,
            )
        return response

    def pages(  # noqa: PLR0913 - all that a list consists of
        self,
        path: str,
        key: str,
        model: type[Row],
        filters: Mapping[str, str | None],
        *,
        version: str | None = None,
        unexplained: str | None = None,
        right: str | None = None,
        size: int = PAGE_SIZE,
    ) -> Iterator[Page[Row]]:
        """Yield the rows of a list, each once, page by page. ``filters`` of None are left out.

        ``size`` is how many rows a page is to have.
        ``unexplained`` and ``right`` are those of ``send``.
        """

        def ask(query: Mapping[str, str]) -> Page[Row]:
            asked = f"{path}?{query_text(query)}"
            answer = self.send(
                "GET",
                asked,
                version=version,
                doing=f"listing {key}",
                unexplained=unexplained,
                right=right,
            )
            return Page.of(self.document(answer), key, model)

        return all_pages(ask, key, filters=filters, size=size)

    def one(self, answer: httpx.Response, key: str, model: type[Model]) -> Model:
        """Return the record under that key. Raises BadAnswerError where it has no ID."""
        document = self.document(answer)
        try:
            return ready(model).model_validate(document.get(key))
        except ValidationError as error:
            failure = BadAnswerError(
                f"{answer.request.method} {answer.request.url.path}: "
                f"the answer holds no {key.replace('_', ' ')} with an ID"
            )
            failure.sent = answer.extensions.get(SENT, failure.sent)
            raise failure from error

    def document(self, answer: httpx.Response) -> dict[str, object]:
        """Return the answer's JSON object. Raises BadAnswerError for anything else."""
        try:
            document = json.loads(answer.content)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return document
        kind = answer.headers.get("Content-Type", "no content type")[:60]
        text = mask(answer.content[:9999].decode(errors="replace"), secrets=self._auth.secrets)
        start = " ".join(text.split())[:60]
        failure = BadAnswerError(
            f"{answer.request.method} {answer.request.url.copy_with(query=None)}: "
            f"the answer is no JSON object ({kind}; {len(answer.content)} bytes: {start!r})",
            hint="Check the endpoint, and that no proxy or log-in page stands between.",
        )
        failure.sent = answer.extensions.get(SENT, failure.sent)
        raise failure

    @property
    def service_now(self) -> datetime:
        """The time (UTC) by the Date header of the service's last answer; else this machine's."""
        return self.clock.now() + self._ahead

    def _read_date(self, date: str | None) -> None:
        try:
            told = parse_time(parsedate_to_datetime(date or ""))
        except (TypeError, ValueError, OverflowError):
            return
        if told is None or told.year > _LAST_YEAR:
            return
        ahead = told - self.clock.now()
        # The Date header has whole seconds: differences under 5 s are ignored.
        self._ahead = ahead if abs(ahead) > _AS_GOOD else timedelta()

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles in the project, where the sign-in tells them."""
        return self._auth.roles

    @property
    def id(self) -> str:
        """The ID of the project, signing in if need be."""
        return self.address().rpartition("/")[2]

    def probe(self, url: str) -> httpx.Response:
        """Return the answer to a bare GET, whatever its status; no token goes along."""
        request = httpx.Request("GET", url, headers={"Accept": "application/json"})
        return self._http.send(request, auth=None)

    def address(self, *, version: str | None = None) -> str:
        """Return the base of the project's volume API, signing in if need be.

        ``version`` (as ``v2``) takes the place of the one that it has.
        """
        if self._base is None:
            self._base = self._auth.volume_url(self._sign_in)
        if version is None:
            return self._base
        root, _, project_id = self._base.rsplit("/", 2)
        return f"{root}/{version}/{project_id}"

    def _sign_in(self, request: httpx.Request) -> httpx.Response:
        request.extensions[UNTIL] = self._until
        return self._http.send(request, auth=None)


def segment(id_: str) -> str:
    """Return an ID as one segment of a path, never as a way to its parent or to a list.

    Raises NotFoundError for what can be no ID.
    """
    if id_ in {"", ".", "..", "detail", "summary"}:
        raise NotFoundError(f"{id_!r} is no ID")
    return quote(id_, safe="", errors="replace")
