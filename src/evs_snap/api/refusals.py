"""What each refusal means: its error class, hence its exit code, and what to do about it.

Sources of the codes:
https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_0038.html (EVS),
https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-errorcode.html (gateway),
https://docs.otc.t-systems.com/identity-access-management/api-ref/appendix/error_codes.html (IAM).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import httpx

from evs_snap.api.bounds import SENT
from evs_snap.api.fault import Fault
from evs_snap.api.wording import is_of_field, is_of_quota, is_of_rate
from evs_snap.errors import (
    BusyError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    ServerError,
    ServiceError,
    SignInError,
    ThrottledError,
    WrongEndpointError,
)

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
_BUSY = "Somebody else makes a snapshot of this disk: wait until it is made, and try again."
_TOO_FAST = "Too many requests; try again in a minute."
_LATER = "The service is at fault; try again later, and quote the request ID to it."

_GONE = "It may have been deleted meanwhile."

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
    "EVS.2409": (BusyError, _BUSY),
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
    unexplained: str | None = None,
    right: str | None = None,
) -> ServiceError:
    """Return the error for an answer that is no success. Never raises.

    ``doing`` names the attempt in the user's words: "listing the disks". A service that
    repeats one of ``secrets`` in its message is not quoted with it. ``wrong_address`` is a
    better hint than ours for an address that does not serve the API. ``unexplained`` is added
    to the hint where the refusal may have another reason than it gives. ``right`` is the one
    that the operation needs, where that can be given in an enterprise project too.
    """
    fault = Fault.of(response, secrets=secrets)
    kind, hint = _kind(fault)
    if wrong_address and kind is WrongEndpointError:
        hint = wrong_address
    is_vague = _is_unexplained(fault, hint)
    if right and hint is _RIGHTS:
        hint = f"Ask for {right} in this project, or in the disk's enterprise project."
    if unexplained and is_vague:
        hint = f"{hint} {unexplained}" if hint else unexplained
    what = fault.message or "no explanation given"
    where = f"HTTP {fault.status}" + (f", {fault.code}" if fault.code else "")
    error = kind(
        f"{doing}: the service refused ({where}): {what}",
        hint=hint,
        status=fault.status,
        code=fault.code,
        request_id=fault.request_id,
    )
    error.sent = response.extensions.get(SENT, error.sent)
    error.said = fault.message
    return error


def is_no_such_path(error: ServiceError) -> bool:
    """Return whether the service has no such operation at all, so that nothing was done."""
    known = error.code in {None, "APIGW.0101"} and error.status in {404, 405}
    return known and isinstance(error, WrongEndpointError)


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


def _kind(fault: Fault) -> tuple[type[ServiceError], str | None]:
    known = _BY_CODE.get(fault.code or "")
    if known and known[0] is not QuotaError:
        return known
    # A gateway's rate limit comes with any status, and in Cinder under the quota's name.
    if is_of_rate(fault.message):
        return ThrottledError, _TOO_FAST
    return known or _by_status(fault)


def _by_status(fault: Fault) -> tuple[type[ServiceError], str | None]:  # noqa: C901, PLR0911 - a table
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
        case 413 if fault.name in {"overLimit", "overLimitFault"}:
            return QuotaError, _QUOTA
        case 429:
            return ThrottledError, _TOO_FAST
        case status if 300 <= status < 400:  # noqa: PLR2004
            return (
                WrongEndpointError,
                "Redirects are not followed: a token goes to no other host.",
            )
        case status if is_of_quota(fault.message, of_numbers_alone=status >= 500):  # noqa: PLR2004
            return QuotaError, _QUOTA
        case 403:
            return PermissionDeniedError, _RIGHTS
        case status if status >= 500:  # noqa: PLR2004
            return ServerError, _LATER
    return ServiceError, None


def _is_unexplained(fault: Fault, hint: str | None) -> bool:
    """Return whether the refusal may have another reason than it gives.

    A quota, a wrong field, and a code that means one thing are reasons.
    """
    vague = fault.status in {400, 403, 404} and hint in {None, _RIGHTS, _ENDPOINT, _GONE}
    return vague and not is_of_field(fault.message)
