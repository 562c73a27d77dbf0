"""Refusals, in the words of Cinder and Keystone."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from evs_snap.sandbox.wire import Request

_CINDER_KEYS = {
    HTTPStatus.BAD_REQUEST: "badRequest",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "itemNotFound",
}


class FaultError(Exception):
    """A request that gets a refusal for an answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.document)
        self.response = response


def cinder(status: HTTPStatus, *, message: str) -> FaultError:
    """Refuse as Cinder does."""
    key = _CINDER_KEYS.get(status, "computeFault")
    return FaultError(Response(status, {key: {"code": status, "message": message}}))


def keystone(status: HTTPStatus, *, message: str) -> FaultError:
    """Refuse as Keystone does."""
    error = {"code": status, "message": message, "title": status.phrase}
    return FaultError(Response(status, {"error": error}))


def bad_request(message: str) -> FaultError:
    """Say that the request, or the state it meets, is wrong."""
    return cinder(HTTPStatus.BAD_REQUEST, message=message)


def evs(code: str, *, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> FaultError:
    """Refuse as EVS does where Cinder knows no such rule: API reference, error codes."""
    return FaultError(Response(status, {"error": {"code": code, "message": message}}))


def snapshot_not_available(status: str) -> FaultError:
    """Say that a snapshot in this status cannot be used."""
    return evs("EVS.2043", message=f"The snapshot must be available, but its status is {status}.")


def not_found(kind: str, *, item: object) -> FaultError:
    """Say that there is no such disk or snapshot."""
    return cinder(HTTPStatus.NOT_FOUND, message=f"{kind} {item} could not be found.")


def over_limit(message: str) -> FaultError:
    """Say that a limit or quota is reached; retrying at once is Cinder's idea."""
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    fault = {"code": status, "message": message, "retryAfter": "0"}
    return FaultError(Response(status, {"overLimit": fault}, {"Retry-After": "0"}))


def unspoken(request: Request) -> FaultError:
    """Say that this is no route of the sandbox, in the shape of Cinder's router."""
    status = HTTPStatus.NOT_FOUND
    message = f"the sandbox does not speak {request.method} {request.path}"
    document = {"message": message, "code": f"{status} {status.phrase}", "title": status.phrase}
    return FaultError(Response(status, document))


def unauthorized(request: Request) -> FaultError:
    """Say that nobody is signed in."""
    status = HTTPStatus.UNAUTHORIZED
    fault = keystone(status, message="The request you have made requires authentication.")
    challenge = {"Www-Authenticate": f'Keystone uri="{request.origin}/identity/v3"'}
    return FaultError(Response(status, fault.response.document, challenge))
