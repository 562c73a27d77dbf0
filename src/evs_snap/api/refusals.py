"""What each refusal means: its error class, hence its exit code, and what to do about it.

Sources of the codes:
https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_0038.html (EVS),
https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-errorcode.html (gateway),
https://docs.otc.t-systems.com/identity-access-management/api-ref/appendix/error_codes.html (IAM).
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from evs_snap.api.redaction import mask
from evs_snap.errors import (
    EvsSnapError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    ServerError,
    ServiceError,
    SignInError,
    ThrottledError,
    WrongEndpointError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import httpx

_SIGN_IN = (
    "Check the user name, password, domain and project, or the token or application credential."
)
_RIGHTS = (
    "Ask for evs:volumes:list/get and evs:snapshots:list/get/create/delete in this "
    "project; `restore` needs evs:volumes:create or evs:snapshots:rollback as well. "
    "Rights granted only through an enterprise project do not reach this API."
)
_ENDPOINT = (
    "Check the region, the project and, if set, OS_VOLUME_ENDPOINT_OVERRIDE: "
    "the address must serve EVS (Cinder v3) for the project signed in to."
)
_QUOTA = (
    "Delete snapshots or disks no longer needed, or have the quota raised. "
    "`evs-snap snapshots` and `evs-snap volumes` list what there is."
)
_BILLING = "Look at the account in the console: it is frozen, in arrears or unverified."
_LATER = "The service is at fault; try again later, and quote the request ID to it."

STANDARD_REGION = (
    "this region has standard snapshots (v5) and may refuse new legacy ones, the kind that "
    "evs-snap makes"
)
USE_CONSOLE = (
    "If it does, take snapshots in the console; legacy ones that exist can still be listed, "
    "restored and deleted."
)
"""Source: https://support.huaweicloud.com/intl/en-us/usermanual-evs/evs_01_0098.html."""

_GONE = "It may have been deleted meanwhile."

MESSAGE_LENGTH = 400
_KEYS = (("error_code", "error_msg"), ("errorCode", "errorMsg"), ("code", "message"))
_CODE = re.compile(r"[A-Za-z][\w-]{0,60}(?:\.[A-Za-z][\w-]{0,60})*\.\d{1,10}", re.ASCII)
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_REQUEST_ID_HEADERS = (
    "x-request-id",
    "x-openstack-request-id",
    "x-compute-request-id",
    "x-iam-trace-id",
)

RENEWABLE_CODES = frozenset({"Common.0013", "EVS.0002", "EVS.5401", "IAM.1108"})
"""Refusals that a fresh token may cure, whatever their HTTP status."""

# Codes that say more than their HTTP status.
_BY_CODE: Mapping[str, tuple[type[ServiceError], str]] = {
    "EVS.0001": (WrongEndpointError, _ENDPOINT),
    "EVS.0002": (SignInError, _SIGN_IN),
    "EVS.0003": (PermissionDeniedError, _RIGHTS),
    "EVS.1027": (PermissionDeniedError, _RIGHTS),
    "EVS.1033": (ServiceError, "The quotas could not be read; that alone changes nothing."),
    "EVS.1034": (QuotaError, _QUOTA),
    "EVS.1042": (QuotaError, _QUOTA),
    "EVS.1043": (
        ServiceError,
        "Leave out the --property that begins with __system__ or hw: the service's own.",
    ),
    "EVS.1047": (
        ServiceError,
        "Only snapshots that are available or in error can be deleted; wait, and retry.",
    ),
    "EVS.2019": (
        ServiceError,
        "It is stuck in error_deleting: the vendor must clear it.",
    ),
    "EVS.2043": (ServiceError, "The snapshot is busy; wait until it is available."),
    "EVS.2044": (
        ServiceError,
        "The disk's encryption key is missing or disabled: look at KMS in the console.",
    ),
    "EVS.2054": (
        ServiceError,
        "The zone of the snapshot's disk is another now: make the new disk in the console.",
    ),
    "EVS.2056": (PermissionDeniedError, _BILLING),
    "EVS.2068": (ServiceError, "The disk is locked by another operation; retry later."),
    "EVS.2096": (
        ServiceError,
        "The disk's type was changed since: roll it back (--in-place), or use the console.",
    ),
    "EVS.2130": (
        ServiceError,
        "A backup of the disk is running; retry when it is done.",
    ),
    "EVS.2143": (
        PermissionDeniedError,
        "Encrypted disk: let EVS use KMS once, in the console.",
    ),
    "EVS.2144": (PermissionDeniedError, _BILLING),
    "EVS.2145": (PermissionDeniedError, _BILLING),
    "EVS.2265": (
        PermissionDeniedError,
        "The service lacks its agency in this project: authorise EVS in the console.",
    ),
    "EVS.2409": (
        ServiceError,
        "Another snapshot of the disk is being made; retry later.",
    ),
    "EVS.5401": (SignInError, _SIGN_IN),
    "EVS.5403": (PermissionDeniedError, _RIGHTS),
    "EVS.5404": (NotFoundError, _GONE),
    "EVS.5413": (QuotaError, _QUOTA),
    "Common.0013": (SignInError, _SIGN_IN),
    "Common.0018": (WrongEndpointError, _ENDPOINT),
    "APIGW.0101": (WrongEndpointError, _ENDPOINT),
    "APIGW.0301": (
        SignInError,
        (
            "Check the access key, the secret key or token, and this machine's clock "
            "(at most 15 minutes off)."
        ),
    ),
    "APIGW.0302": (PermissionDeniedError, _RIGHTS),
    "APIGW.0308": (ThrottledError, "Too many requests; use a smaller --parallel."),
    "IAM.0012": (ThrottledError, "Too many sign-ins; wait a minute."),
    "IAM.0061": (
        SignInError,
        "The user is locked after wrong passwords; wait, then fix it.",
    ),
    "IAM.0062": (
        SignInError,
        "The password is wrong or must be changed in the console.",
    ),
    "IAM.0080": (PermissionDeniedError, "The user needs programmatic access."),
    "IAM.0081": (PermissionDeniedError, "The user needs programmatic access."),
    "IAM.0082": (PermissionDeniedError, "The user needs programmatic access."),
    "IAM.0083": (PermissionDeniedError, "The user needs programmatic access."),
    "IAM.1105": (SignInError, "The access key has expired; make a new one."),
    "IAM.1107": (
        SignInError,
        "The access key is inactive; enable it or make a new one.",
    ),
    "IAM.1108": (SignInError, "The temporary keys have expired; fetch new ones."),
}


def refused(
    response: httpx.Response,
    *,
    doing: str,
    secrets: Iterable[str],
    wrong_address: str | None = None,
) -> ServiceError:
    """Return the error for an answer that is no success. Never raises.

    ``doing`` names the attempt in the user's words: "listing the disks". A service that
    repeats one of ``secrets`` in its message is not quoted with it. ``wrong_address`` is a
    better hint than ours for an address that does not serve the API.
    """
    fault = _read(response, secrets=secrets)
    kind, hint = _kind(fault)
    what = fault.message or "no explanation given"
    where = f"HTTP {fault.status}" + (f", {fault.code}" if fault.code else "")
    return kind(
        f"{doing}: the service refused ({where}): {what}",
        hint=(wrong_address if kind is WrongEndpointError else None) or hint,
        status=fault.status,
        code=fault.code,
        request_id=fault.request_id,
    )


def is_no_such_path(error: ServiceError) -> bool:
    """Return whether the service has no such operation at all, so that nothing was done."""
    known = error.code in {None, "APIGW.0101"} and error.status in {404, 405}
    return known and isinstance(error, WrongEndpointError)


def is_unexplained(error: EvsSnapError | None) -> TypeGuard[ServiceError]:
    """Return whether this refuses a snapshot for a reason that may be another than it names.

    A quota, a wrong field, and a code that means one thing are reasons.
    """
    if not isinstance(error, ServiceError) or error.status not in {400, 403, 404}:
        return False
    return error.hint in {None, _RIGHTS, _ENDPOINT, _GONE} and not _OF_FIELDS.search(error.message)


def is_stale_token(error: ServiceError) -> bool:
    """Return whether signing in anew is worth one try."""
    return error.status == 401 or error.code in RENEWABLE_CODES  # noqa: PLR2004


_PERIOD = re.compile(rb"over ratelimit,limit:\d+,time:(\d{1,6}) (second|minute|hour)")
_SECONDS = {b"second": 1.0, b"minute": 60.0, b"hour": 3600.0}


def period_of(response: httpx.Response) -> float | None:
    """Return the seconds of the period by which a 429 says that requests are counted.

    So the gateway words it: "policy user over ratelimit,limit:100,time:1 minute".
    """
    told = _PERIOD.search(response.content)
    return int(told[1]) * _SECONDS[told[2]] if told else None


def _kind(fault: _Fault) -> tuple[type[ServiceError], str | None]:  # noqa: C901, PLR0911, PLR0912 - a table
    known = _BY_CODE.get(fault.code or "")
    if known:
        return known
    text = fault.message.lower()
    match fault.status:
        case 401:
            return SignInError, _SIGN_IN
        case 404 if fault.name == "itemNotFound":
            return NotFoundError, _GONE
        case 404 if fault.name == "error" and re.search("token|application credential", text):
            return SignInError, _SIGN_IN  # Keystone does not know what signs in
        case 404 | 405 | 410:
            return WrongEndpointError, _ENDPOINT
        case 400 if "malformed request url" in text:
            return WrongEndpointError, _ENDPOINT
        case 400 | 403 | 409 | 413 if re.search(r"too many requests|rate.?limit|throttl", text):
            return ThrottledError, "Too many requests; try again in a minute."
        case 413 if fault.name in {"overLimit", "overLimitFault"} or _speaks_of_quota(text):
            return QuotaError, _QUOTA
        case 400 | 403 | 409 if _speaks_of_quota(text):
            return QuotaError, _QUOTA
        case 403:
            return PermissionDeniedError, _RIGHTS
        case 429:
            return ThrottledError, "Too many requests; try again in a minute."
        case status if status >= 500:  # noqa: PLR2004
            return ServerError, _LATER
        case status if 300 <= status < 400:  # noqa: PLR2004
            return (
                WrongEndpointError,
                "Redirects are not followed: a token goes to no other host.",
            )
    return ServiceError, None


_OF_FIELDS = re.compile(
    r"\b(name|description|metadata|length|long(er)?|characters|bytes)\b", re.IGNORECASE
)


def _speaks_of_quota(text: str) -> bool:
    if re.search(r"invalid input|policy|permission|not authori", text):
        return False
    of_number = "snapshot" in text and bool(re.search(r"exceed|limit|maximum", text))
    return "quota" in text or (of_number and not _OF_FIELDS.search(text))


@dataclass(frozen=True, slots=True)
class _Fault:
    """A refusal as the service worded it. ``name`` is Cinder's, as ``itemNotFound``."""

    status: int
    name: str | None
    code: str | None
    message: str
    request_id: str | None


def _read(response: httpx.Response, *, secrets: Iterable[str]) -> _Fault:
    """Find code and message in any body, however malformed. Never raises."""
    text = response.content.decode("utf-8-sig", errors="replace")
    name, code, message, request_id = None, None, text, None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    else:
        name, code, message = _told(document, otherwise=text)
    if isinstance(document, dict):
        request_id = _request_id(document.get("request_id"))
    for header in _REQUEST_ID_HEADERS:
        request_id = request_id or _request_id(response.headers.get(header))
    return _Fault(
        status=response.status_code,
        name=name,
        code=code,
        message=_one_line(message, secrets=tuple(secrets)),
        request_id=request_id,
    )


def _told(document: object, *, otherwise: str) -> tuple[str | None, str | None, str]:
    """Return the fault's name, code and message, as far as the document has them."""
    for name, found in _candidates(document):
        code, message = _code_and_message(found)
        if message or code:
            inner_code, message = _unwrapped(message)
            return name, code or inner_code, message
    if isinstance(document, str):
        return None, None, document
    return None, None, otherwise if document else ""


def _candidates(document: object) -> Iterator[tuple[str | None, dict[str, object]]]:
    if not isinstance(document, dict):
        return
    yield None, document
    for key, value in document.items():
        if isinstance(value, dict):
            yield key, value


def _code_and_message(found: dict[str, object]) -> tuple[str | None, str]:
    for code_key, message_key in _KEYS:
        code, message = found.get(code_key), found.get(message_key)
        named = code if isinstance(code, str) and _CODE.fullmatch(code) else None
        if named or isinstance(message, str):
            return named, message if isinstance(message, str) else ""
    return None, ""


def _unwrapped(message: str) -> tuple[str | None, str]:
    """Take the inner code and message where a service sends JSON inside its message."""
    if message.lstrip().startswith("{"):
        try:
            inner = json.loads(message)
        except (ValueError, RecursionError):
            return None, message
        for _, found in _candidates(inner):
            code, text = _code_and_message(found)
            if text:
                return code, text
    return None, message


def _request_id(value: object) -> str | None:
    return value if isinstance(value, str) and _REQUEST_ID.fullmatch(value) else None


def _one_line(text: str, *, secrets: tuple[str, ...]) -> str:
    # Secrets go first: a cut through one would leave a part that no longer looks like it.
    cut = mask(text, secrets=secrets)[: 20 * MESSAGE_LENGTH]
    title = re.search(r"<title[^<>]*>([^<]*)", cut, re.IGNORECASE)
    if title:
        cut = title.group(1)
    # Short before unescaping: int() refuses the digits of an endless &#999...;
    cut = re.sub(r"<[^<>]{0,200}>", " ", cut)[: 4 * MESSAGE_LENGTH]
    plain = "".join(c if c.isprintable() else " " for c in html.unescape(cut))
    line = mask(" ".join(plain.split()), secrets=secrets)
    return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"
