"""Refusals, in the words of Cinder, Keystone and EVS."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox.call import Response

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Request

_CINDER_KEYS = {
    HTTPStatus.BAD_REQUEST: "badRequest",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "itemNotFound",
}


class FaultError(Exception):
    """A request that is answered with a refusal; ``message`` is Cinder's, where it is Cinder's."""

    def __init__(self, response: Response, *, message: str | None = None) -> None:
        super().__init__(response.document)
        self.response = response
        self.message = message

    def in_evs_words(self) -> FaultError:
        """Return the same refusal as EVS's own paths give it."""
        if self.message is None:
            return self
        status = self.response.status
        return evs(f"EVS.5{status.value}", message=self.message, status=status)


def cinder(status: HTTPStatus, *, message: str) -> FaultError:
    """Refuse as Cinder does."""
    key = _CINDER_KEYS.get(status, "computeFault")
    response = Response(status, {key: {"code": status, "message": message}})
    return FaultError(response, message=message)


def keystone(status: HTTPStatus, *, message: str) -> FaultError:
    """Refuse as Keystone does."""
    error = {"code": status, "message": message, "title": status.phrase}
    return FaultError(Response(status, {"error": error}))


def bad_request(message: str) -> FaultError:
    """Say that the request, or the state it meets, is wrong."""
    return cinder(HTTPStatus.BAD_REQUEST, message=message)


def evs(code: str, *, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> FaultError:
    """Refuse as EVS does where Cinder has no such rule: API reference, error codes."""
    return FaultError(Response(status, {"error": {"code": code, "message": message}}))


def snapshot_not_available(status: str) -> FaultError:
    """Say that a snapshot in this status cannot be used."""
    return evs("EVS.2043", message=f"The snapshot must be available, but its status is {status}.")


def not_found(kind: str, *, item: object) -> FaultError:
    """Say that there is no such disk or snapshot."""
    return cinder(HTTPStatus.NOT_FOUND, message=f"{kind} {item} could not be found.")


def over_limit(message: str) -> FaultError:
    """Say that a limit or quota is reached. The "Retry-After: 0" is Cinder's."""
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    fault = {"code": status, "message": message, "retryAfter": "0"}
    return FaultError(Response(status, {"overLimit": fault}, {"Retry-After": "0"}))


def unspoken(request: Request) -> FaultError:
    """Say that the sandbox has no such route, in the shape of Cinder's router."""
    status = HTTPStatus.NOT_FOUND
    message = f"the sandbox does not speak {request.method} {request.path}"
    document = {"message": message, "code": f"{status} {status.phrase}", "title": status.phrase}
    return FaultError(Response(status, document))


def unpublished() -> FaultError:
    """Say, as the gateway does, that this region has no such API."""
    document = {
        "error_code": "APIGW.0101",
        "error_msg": "The API does not exist or has not been published in the environment",
        "request_id": uuid4().hex,
    }
    return FaultError(Response(HTTPStatus.NOT_FOUND, document))


def unauthorized(request: Request) -> FaultError:
    """Say that nobody is signed in."""
    status = HTTPStatus.UNAUTHORIZED
    fault = keystone(status, message="The request you have made requires authentication.")
    challenge = {"Www-Authenticate": f'Keystone uri="{request.origin}/identity/v3"'}
    return FaultError(Response(status, fault.response.document, challenge))
