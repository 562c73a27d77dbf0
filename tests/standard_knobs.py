"""What the documents of standard snapshots leave open, as switches between client and sandbox.

The sandbox answers as a service most probably does; each switch of ``StandardKnobs`` turns one
answer into another that is possible too. It is WSGI middleware: ``StandardKnobs(sandbox, ...)``
takes the sandbox's place.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Json = Any
_V5 = re.compile(r"(/[a-z0-9-]+)??(/volume)?/v5/[0-9a-f]+/(?P<rest>.*)")
_JOB = re.compile(r".*/v[12]/[0-9a-f]+/jobs/(?P<id>[0-9a-f]+)")


@dataclass
class Answer:
    """What the sandbox said, or is to have said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, status: int, document: Json) -> Answer:
        return cls(status, {"Content-Type": "application/json"}, json.dumps(document).encode())

    @property
    def document(self) -> Json:
        return json.loads(self.body)

    def told(self, document: Json) -> Answer:
        """Return the answer with another document."""
        return Answer(self.status, self.headers, json.dumps(document).encode())


def refusal(status: int, code: str, message: str) -> Answer:
    return Answer.of(status, {"error": {"code": code, "message": message}})


@dataclass
class StandardKnobs:
    """Its fields are the knobs; all are off unless turned. Times are in seconds."""

    app: WSGIApplication
    now: Callable[[], datetime]

    unseen: float = 0.0
    """For how long a new snapshot is a 404 by its ID, and in no list."""

    late_tags: float = 0.0
    """For how long the tags of a new snapshot are null in lists."""

    busy: int = 0
    """How many creations are still refused with EVS.2409: 409, for a group 400."""

    full: Answer | str | None = None
    """What is said in place of the refusal at 256 or 7; ``"error"``: 202, and the snapshot
    ends in error."""

    closed: Answer | None = None
    """What is said in place of the refusal of a legacy snapshot."""

    late_members: bool = False
    """Whether the members of a group are in the lists only once it is available."""

    lists_legacy: bool = False
    """Whether the legacy region has v5 after all: a list of legacy rows, and a POST that is 400."""

    _stillborn: dict[str, Json] = field(default_factory=dict)
    _failed: dict[str, Json] = field(default_factory=dict)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        answer = self._answer(environ, body)
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        if answer.status == HTTPStatus.NO_CONTENT:
            del headers["Content-Length"]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(headers.items()))
        return [answer.body]

    def _answer(self, environ: WSGIEnvironment, body: bytes) -> Answer:
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        job, v5 = _JOB.fullmatch(path), _V5.fullmatch(path)
        if job and job["id"] in self._failed:
            return Answer.of(200, self._failed[job["id"]])
        if v5:
            return self._by_v5(environ, body, f"{environ['REQUEST_METHOD']} {v5['rest']}")
        answer = self._ask(environ, body)
        is_post = environ["REQUEST_METHOD"] == "POST" and path.endswith("/snapshots")
        return self.closed if self.closed and is_post and answer.status == 400 else answer

    def _by_v5(self, environ: WSGIEnvironment, body: bytes, what: str) -> Answer:
        if what in {"POST snapshots", "POST snapshot-groups"} and self.busy:
            self.busy -= 1
            status = 409 if what == "POST snapshots" else 400
            return refusal(status, "EVS.2409", "Another snapshot is being created.")
        answer = self._ask(environ, body)
        if answer.status == 404 and b"APIGW.0101" in answer.body and self.lists_legacy:
            return self._of_legacy_region(environ, what)
        if what == "POST snapshots":
            return self._created(answer, body)
        if what == "GET snapshots/detail" and answer.status == 200:
            return self._listed(environ, answer)
        return self._shown(what, answer)

    def _created(self, answer: Answer, body: bytes) -> Answer:
        if not (answer.status == 400 and b"maximum" in answer.body and self.full):
            return answer
        if isinstance(self.full, Answer):
            return self.full
        given, now = json.loads(body)["snapshot"], self._written(self.now())
        id_, job_id = str(uuid4()), uuid4().hex
        self._stillborn[id_] = {
            "name": None,
            "description": None,
            "tags": None,
            **given,
            "id": id_,
            "created_at": now,
            "updated_at": now,
            "size": 1,
            "status": "error",
            "category": "standard",
            "snapshot_type": "user",
            "progress": "0",
        }
        self._failed[job_id] = {
            "job_id": job_id,
            "job_type": "createSnapshot",
            "status": "FAIL",
            "entities": {},
            "error_code": "EVS.2010",
            "fail_reason": "The quota of snapshots is used up.",
        }
        return Answer.of(202, {"job_id": job_id, "snapshot_id": id_})

    def _listed(self, environ: WSGIEnvironment, answer: Answer) -> Answer:
        rows = [row for row in answer.document["snapshots"] if self._age(row) >= self.unseen]
        for row in rows:
            if self._age(row) < self.late_tags:
                row["tags"] = None
        if self.late_members:
            rows = [row for row in rows if not self._is_hidden(environ, row)]
        return answer.told({"snapshots": [*self._stillborn.values(), *rows]})

    def _shown(self, what: str, answer: Answer) -> Answer:
        id_ = what.removeprefix("GET snapshots/")
        if id_ in self._stillborn:
            return Answer.of(200, {"snapshot": self._stillborn[id_]})
        if re.fullmatch("GET snapshots/[0-9a-f-]{36}", what) and answer.status == 200:
            row = answer.document["snapshot"]
            if self._age(row) < self.unseen:
                return refusal(404, "EVS.5404", f"Snapshot {id_} could not be found.")
        return answer

    def _is_hidden(self, environ: WSGIEnvironment, row: Json) -> bool:
        group_id = row["snapshot_group_id"]
        if group_id is None:
            return False
        path = environ["PATH_INFO"].replace("snapshots/detail", f"snapshot-groups/{group_id}")
        group = self._ask({**environ, "PATH_INFO": path, "QUERY_STRING": ""}, b"")
        return bool(group.document.get("snapshot_group", {}).get("status") == "creating")

    def _of_legacy_region(self, environ: WSGIEnvironment, what: str) -> Answer:
        if what != "GET snapshots/detail":
            message = "Standard snapshots are not supported here."
            return refusal(400, "EVS.5400", message)
        path = environ["PATH_INFO"].replace("/v5/", "/v3/")
        query = re.sub("(^|&)(?!(limit|marker|volume_id|name|status)=)[^&]*", "",
                       environ.get("QUERY_STRING", "")).lstrip("&")  # fmt: skip
        answer = self._ask({**environ, "PATH_INFO": path, "QUERY_STRING": query}, b"")
        rows = [
            {**row, "category": "flash", "snapshot_type": "user", "progress": "100%", "tags": None}
            for row in answer.document["snapshots"]
        ]
        return Answer.of(200, {"snapshots": rows})

    def _ask(self, environ: WSGIEnvironment, body: bytes) -> Answer:
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def note(status: str, headers: list[tuple[str, str]], _error: object = None, /) -> object:
            told.append((status, headers))
            return None

        inside = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        parts = b"".join(self.app(inside, note))  # type: ignore[arg-type]  # it writes nothing
        status, headers = told[0]
        return Answer(int(status.split()[0]), dict(headers), parts)

    def _age(self, row: Json) -> float:
        made = datetime.fromisoformat(f"{row['created_at']}+00:00")
        return (self.now() - made).total_seconds()

    @staticmethod
    def _written(moment: datetime) -> str:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
