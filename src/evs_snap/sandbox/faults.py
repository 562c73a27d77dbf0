"""Refusals, in the words of Cinder and Keystone."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from evs_snap.sandbox.wire import Request

_CINDER_KEYS = {
    HTTPStatus.BAD_REQUEST: "badRequest",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "itemNotFound",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "badMediaType",
}


class FaultError(Exception):
    """A request that gets a refusal for an answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.document)
        self.response = response


def cinder(status: HTTPStatus, *, message: str) -> FaultError:
    """Refuse as Cinder does inside its API."""
    key = _CINDER_KEYS.get(status, "computeFault")
    return FaultError(Response(status, {key: {"code": status, "message": message}}))


def keystone(status: HTTPStatus, *, message: str) -> FaultError:
    """Refuse as Keystone does."""
    error = {"code": status, "message": message, "title": status.phrase}
    return FaultError(Response(status, {"error": error}))


def bad_request(message: str) -> FaultError:
    """Say that the request, or the state it meets, is wrong."""
    return cinder(HTTPStatus.BAD_REQUEST, message=message)


def not_found(kind: str, *, item: object) -> FaultError:
    """Say that there is no such volume or snapshot."""
    return cinder(HTTPStatus.NOT_FOUND, message=f"{kind} {item} could not be found.")


def over_limit(message: str) -> FaultError:
    """Say that a limit or quota is reached; retrying at once is Cinder's idea."""
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    fault = {"code": status, "message": message, "retryAfter": "0"}
    return FaultError(Response(status, {"overLimit": fault}, {"Retry-After": "0"}))


def body_too_large() -> FaultError:
    """Say that the body is too large: also a 413, but not of the API."""
    return _outside(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        phrase="Request Entity Too Large",
        message="Request is too large. Larger than max_request_body_size (%s).<br /><br />\n\n\n",
    )


def unspoken(request: Request) -> FaultError:
    """Say that this is no route of the sandbox, in the shape of Cinder's router."""
    return _outside(
        HTTPStatus.NOT_FOUND,
        phrase="Not Found",
        message=f"the sandbox does not speak {request.method} {request.path}",
    )


def unauthorized(request: Request) -> FaultError:
    """Say that nobody is signed in."""
    fault = keystone(
        HTTPStatus.UNAUTHORIZED, message="The request you have made requires authentication."
    )
    challenge = {"Www-Authenticate": f'Keystone uri="{request.origin}/identity/v3"'}
    return FaultError(fault.response.with_headers(challenge))


def gateway(status: HTTPStatus, *, code: str, message: str) -> FaultError:
    """Refuse as the gateway does, before any service sees the request."""
    request_id = uuid4().hex
    document = {"error_msg": message, "error_code": code, "request_id": request_id}
    return FaultError(Response(status, document, {"X-Request-Id": request_id}))


def broken() -> FaultError:
    """Answer as Cinder does when it trips over the request."""
    return cinder(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        message="The server has either erred or is incapable of performing the "
        "requested operation.",
    )


def _outside(status: HTTPStatus, *, phrase: str, message: str) -> FaultError:
    # The phrase is not status.phrase: Python renamed that of 413 in 3.13.
    code = f"{status.value} {phrase}"
    document = {"message": message, "code": code, "title": phrase}
    return FaultError(Response(status, document))
