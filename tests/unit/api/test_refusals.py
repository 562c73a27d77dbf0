"""Each refusal lands on the class that carries its exit code and a way on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evs_snap.api.refusals import read_fault, to_error
from evs_snap.errors import (
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    ServerError,
    ServiceError,
    SignInError,
    ThrottledError,
    WrongEndpointError,
)

SAMPLES = Path(__file__).parents[2] / "samples"

# Status, code, class: evs-api.md, section 4, "Codes worth a branch".
CODES: list[tuple[int, str, type[ServiceError]]] = [
    (400, "EVS.0001", WrongEndpointError),
    (400, "EVS.0002", SignInError),
    (400, "Common.0013", SignInError),
    (400, "Common.0018", WrongEndpointError),
    (403, "EVS.0003", PermissionDeniedError),
    (403, "EVS.1027", PermissionDeniedError),
    (403, "EVS.5403", PermissionDeniedError),
    (403, "EVS.2056", PermissionDeniedError),
    (403, "EVS.2144", PermissionDeniedError),
    (403, "EVS.2145", PermissionDeniedError),
    (401, "EVS.2143", PermissionDeniedError),
    (401, "EVS.5401", SignInError),
    (400, "EVS.1002", ServiceError),
    (400, "EVS.2142", ServiceError),
    (400, "EVS.1033", ServiceError),
    (400, "EVS.1034", QuotaError),
    (400, "EVS.1042", QuotaError),
    (400, "EVS.1047", ServiceError),
    (500, "EVS.2019", ServiceError),
    (400, "EVS.2043", ServiceError),
    (404, "EVS.2044", ServiceError),
    (400, "EVS.2068", ServiceError),
    (400, "EVS.2130", ServiceError),
    (404, "EVS.2265", PermissionDeniedError),
    (409, "EVS.2409", ServiceError),
    (400, "EVS.5400", ServiceError),
    (404, "EVS.5404", NotFoundError),
    (413, "EVS.5413", QuotaError),
    (500, "EVS.2002", ServerError),
    (503, "EVS.5503", ServerError),
    (404, "APIGW.0101", WrongEndpointError),
    (413, "APIGW.0201", ServiceError),
    (414, "APIGW.0201", ServiceError),
    (502, "APIGW.0201", ServerError),
    (401, "APIGW.0301", SignInError),
    (403, "APIGW.0302", PermissionDeniedError),
    (429, "APIGW.0308", ThrottledError),
    (401, "IAM.0001", SignInError),
    (401, "IAM.0061", SignInError),
    (401, "IAM.0062", SignInError),
    (401, "IAM.0066", SignInError),
    (403, "IAM.0081", PermissionDeniedError),
    (400, "IAM.1105", SignInError),
    (400, "IAM.1107", SignInError),
    (400, "IAM.1108", SignInError),
    (429, "IAM.0012", ThrottledError),
]


def refusal(status: int, body: object) -> ServiceError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    fault = read_fault(status=status, headers={"X-Request-Id": "req-1"}, body=raw)
    return to_error(fault, doing="listing the disks")


@pytest.mark.parametrize(("status", "code", "kind"), CODES, ids=str)
def test_each_code_has_its_class(status: int, code: str, kind: type[ServiceError]) -> None:
    message = "query quota failed" if code == "EVS.1033" else "as documented"
    error = refusal(status, {"error": {"code": code, "message": message}})
    assert type(error) is kind
    assert (error.status, error.code, error.request_id) == (status, code, "req-1")
    assert (
        str(error) == f"listing the disks: the service refused (HTTP {status}, {code}): {message}"
    )


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (SignInError, 4),
        (PermissionDeniedError, 4),
        (WrongEndpointError, 2),
        (NotFoundError, 5),
        (QuotaError, 6),
        (ThrottledError, 1),
        (ServerError, 1),
        (ServiceError, 1),
    ],
)
def test_each_class_has_its_exit_code(kind: type[ServiceError], exit_code: int) -> None:
    """The codes are frozen: scripts depend on them."""
    assert kind.exit_code == exit_code


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ("cinder/104-snapshot-get-unknown", NotFoundError),
        ("cinder/129-snapshot-get-deleted", NotFoundError),
        ("cinder/122-no-such-route", WrongEndpointError),
        ("cinder/120-nonsense-project-in-url", WrongEndpointError),
        ("cinder/118-wrong-project-in-url", WrongEndpointError),
        ("cinder/113-snapshot-create-over-quota", QuotaError),
        ("cinder/115-snapshot-create-over-gigabytes", QuotaError),
        ("cinder/082-snapshot-create-body-too-large", ServiceError),
        ("cinder/083-snapshot-create-reader-role", PermissionDeniedError),
        ("cinder/117-bad-token", SignInError),
        ("cinder/138-expired-token", SignInError),
        ("cinder/006-token-bad-password", SignInError),
        ("cinder/026-volumes-limit-word", ServiceError),
        ("cinder/025-volumes-limit-negative", ServiceError),
        ("cinder/062-snapshot-create-in-use", ServiceError),
        ("cinder/059-snapshot-create-name-256", ServiceError),
        ("cinder/136-snapshot-delete-error-deleting", ServiceError),
        ("cinder/080-snapshot-create-no-body", ServerError),
        ("evs/gateway-no-such-api", WrongEndpointError),
        ("evs/gateway-throttled", ThrottledError),
        ("evs/balancer-html", ServerError),
        ("evs/empty", ServerError),
        ("evs/plain-text", SignInError),
    ],
)
def test_each_recorded_refusal_has_its_class(sample: str, kind: type[ServiceError]) -> None:
    answer = json.loads((SAMPLES / f"{sample}.json").read_text(encoding="utf-8"))["response"]
    fault = read_fault(
        status=int(answer["status"].split()[1]),
        headers=answer["headers"],
        body=answer["body_raw"].encode(),
    )
    assert type(to_error(fault, doing="x")) is kind


@pytest.mark.parametrize(
    "body",
    [
        b"<html><title>404 Not Found</title></html>",
        b"",
        {"error_code": "APIGW.0101", "error_msg": "no such API"},
        {"message": "The resource could not be found.<br /><br />", "code": "404 Not Found"},
        {"badRequest": {"code": 404, "message": "Volume x could not be found."}},
    ],
)
def test_only_the_services_own_404_means_gone(body: object) -> None:
    """A delete against a wrong endpoint must not count as already done."""
    error = refusal(404, body)
    assert type(error) is WrongEndpointError
    assert "OS_VOLUME_ENDPOINT_OVERRIDE" in (error.hint or "")


@pytest.mark.parametrize("status", [400, 403, 409, 413])
@pytest.mark.parametrize(
    "text",
    [
        "Snapshot number exceeds the limit",
        "The maximum number of snapshots was reached",
        "Quota exceeded for gigabytes",
    ],
)
def test_a_limit_is_known_by_its_words(status: int, text: str) -> None:
    """What EVS says at the seventh snapshot is documented nowhere."""
    assert type(refusal(status, {"badRequest": {"code": status, "message": text}})) is QuotaError


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "limit param must be an integer", ServiceError),
        (400, "Invalid input for field/attribute name. Value: snapshot limit.", ServiceError),
        (403, "Policy doesn't allow volume_extension:quotas:show.", PermissionDeniedError),
        (403, "No permission to query the snapshot quota", PermissionDeniedError),
    ],
)
def test_the_word_alone_makes_no_quota(status: int, text: str, kind: type[ServiceError]) -> None:
    assert type(refusal(status, {"error": {"message": text}})) is kind


def test_any_other_429_is_throttling() -> None:
    assert type(refusal(429, b"slow down")) is ThrottledError


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308])
def test_a_redirect_is_refused_as_a_wrong_address(status: int) -> None:
    error = refusal(status, b"")
    assert type(error) is WrongEndpointError
    assert "not followed" in (error.hint or "")


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 599])
def test_a_server_fault_may_have_been_carried_out(status: int) -> None:
    assert type(refusal(status, b"")) is ServerError


def test_no_explanation_is_said_in_words() -> None:
    assert str(refusal(418, b"")).endswith("(HTTP 418): no explanation given")
