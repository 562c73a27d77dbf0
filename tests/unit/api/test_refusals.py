"""Any refusal, in any shape, becomes one clean error of the class that has its exit code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evs_snap.api.fault import MESSAGE_LENGTH
from evs_snap.api.refusals import is_stale_token, refused
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

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLES = Path(__file__).parents[2] / "samples"

TABLE: list[tuple[str, dict[str, Any]]] = [
    (kind, row)
    for kind, rows in tomllib.loads((SAMPLES / "refusals.toml").read_text(encoding="utf-8")).items()
    for row in rows
]
RATES = [
    "Too many requests.",
    "The request rate exceeds the limit.",
    "Rate limit exceeded",
    "The limit is 20 requests per minute.",
    "ThrottlingException",
    "Please slow down.",
    "请求过于频繁",
]


def refusal(
    status: int,
    body: object,
    *,
    headers: Mapping[str, str] | Mapping[bytes, bytes] | None = None,
    secrets: tuple[str, ...] = (),
) -> ServiceError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = httpx.Response(status, headers=headers, content=raw)
    return refused(response, doing="listing the disks", secrets=secrets)


def sample_refusal(path: Path) -> ServiceError:
    answer = json.loads(path.read_text(encoding="utf-8"))["response"]
    status = int(answer["status"].split()[1])
    return refusal(status, answer["body_raw"].encode(), headers=answer["headers"])


def words(error: ServiceError) -> str:
    """Return what the service itself said."""
    start, _, said = error.message.partition("): ")
    assert start.startswith("listing the disks: the service refused (HTTP")
    return said


def said(document: object, *, secrets: tuple[str, ...] = ()) -> str:
    return words(refusal(400, document, secrets=secrets))


def assert_clean(error: ServiceError) -> None:
    assert len(words(error)) <= MESSAGE_LENGTH
    assert error.message.isprintable()
    for text in (error.code or "", error.request_id or ""):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= 256


def refused_as(row: Mapping[str, Any], *, more: str = "") -> ServiceError:
    """Return the error for a row of the table, with ``more`` words in its message."""
    fault = {"code": row.get("code"), "message": row.get("says", "as documented") + more}
    headers = {"X-Request-Id": "req-1"}
    return refusal(row["status"], {row.get("name", "error"): fault}, headers=headers)


@pytest.mark.parametrize(("kind", "row"), TABLE, ids=str)
def test_each_refusal_has_its_class(kind: str, row: Mapping[str, Any]) -> None:
    """found: "snapshot full" ended with another code than a full disk's, a rate with that one."""
    error = refused_as(row)
    assert type(error).__name__ == kind
    assert (error.status, error.code, error.request_id) == (
        row["status"], row.get("code"), "req-1",
    )  # fmt: skip
    assert words(error) == row.get("says", "as documented")


@given(st.sampled_from(TABLE), st.sampled_from(RATES), st.sampled_from([400, 403, 413, 503]))
def test_words_about_a_rate_never_make_a_full_disk(
    sample: tuple[str, Mapping[str, Any]], rate: str, status: int
) -> None:
    """Property: a rate passes by itself, so nothing needs to be deleted for it."""
    for row in (sample[1], {**sample[1], "status": status}):
        assert refused_as(row, more=f". {rate}").exit_code != QuotaError.exit_code


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (SignInError, 4),
        (PermissionDeniedError, 4),
        (WrongEndpointError, 2),
        (NotFoundError, 5),
        (QuotaError, 6),
        (ThrottledError, 1),
        (BusyError, 1),
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
    assert type(sample_refusal(SAMPLES / f"{sample}.json")) is kind


@pytest.mark.parametrize(
    "body",
    [
        b"<html><title>404 Not Found</title></html>",
        b"",
        {"message": "The resource could not be found.<br /><br />", "code": "404 Not Found"},
    ],
)
def test_only_the_services_own_404_means_gone(body: object) -> None:
    """A delete against a wrong endpoint must not count as already done."""
    error = refusal(404, body)
    assert type(error) is WrongEndpointError
    assert "OS_VOLUME_ENDPOINT_OVERRIDE" in (error.hint or "")


def test_no_explanation_is_said_in_words() -> None:
    assert str(refusal(418, b"")).endswith("(HTTP 418): no explanation given")


# What is made of the service's words.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FAULTY = st.dictionaries(
    st.sampled_from(
        [
            "error",
            "badRequest",
            "code",
            "message",
            "error_code",
            "error_msg",
            "errorCode",
            "errorMsg",
            "request_id",
            "title",
        ]
    ),
    JSON | st.dictionaries(st.sampled_from(["code", "message", "error_msg"]), JSON),
)


VENDORS = {
    "error-object": (404, "EVS.5404", "snapshot could not be found", "evs-req-1"),
    "fault-name": (400, None, "Invalid input received", "req-2"),
    "gateway": (401, "APIGW.0301", "Incorrect IAM authentication information", "gw-3"),
    "gateway-no-such-api": (
        404,
        "APIGW.0101",
        "The API does not exist or has not been published in the environment",
        "gw-4",
    ),
    "keystone-title": (401, None, "The username or password is wrong.", "iam-6"),
    "iam-flat": (401, "IAM.0061", "The account is locked.", None),
    "camel-case": (403, "EVS.2144", "The account is frozen.", None),
    "flat": (400, "Common.0013", "x-auth-token verified failed", None),
    "over-limit": (
        413,
        None,
        "SnapshotLimitExceeded: Maximum number of snapshots allowed (10) exceeded",
        "req-8",
    ),
    "json-in-message": (400, "EVS.1047", "snapshot status is invalid", None),
    "encoded-authorization-message": (
        403,
        "EVS.5403",
        "Policy doesn't allow evs:snapshots:create to be performed.",
        None,
    ),
    "plain-text": (401, None, "Authentication required", None),
    "balancer-html": (502, None, "502 Bad Gateway", None),
    "empty": (503, None, "no explanation given", None),
}


@pytest.mark.parametrize("name", VENDORS)
def test_each_shape_of_the_vendors_is_read(name: str) -> None:
    error = sample_refusal(SAMPLES / "evs" / f"{name}.json")
    assert (error.status, error.code, words(error), error.request_id) == VENDORS[name]


def _refused(path: Path) -> bool:
    answer = json.loads(path.read_text(encoding="utf-8"))["response"]
    return int(answer["status"].split()[1]) >= 400


REFUSED = [path for path in sorted((SAMPLES / "cinder").glob("*.json")) if _refused(path)]


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_each_recorded_refusal_yields_its_message_and_request_id(path: Path) -> None:
    response = json.loads(path.read_text(encoding="utf-8"))["response"]
    error = sample_refusal(path)
    assert error.status == int(response["status"].split()[1])
    assert error.request_id == response["headers"]["X-Openstack-Request-Id"]
    message = response["body"].get("message") or next(iter(response["body"].values()))["message"]
    assert words(error).startswith(message.split("<br")[0].split("\n")[0][:300])
    assert_clean(error)


def test_there_are_recorded_refusals_to_read() -> None:
    assert len(REFUSED) > 30


@given(st.binary())
@example(b"\xef\xbb\xbf{}")
@example(b"\xff\xfe{\x00}\x00")
@example(b"[" * 100_000)
@example(b'{"a":' * 600 + b"1" + b"}" * 600)
@example(b"1" * 5000)
@example(b"&#" + b"9" * 5000 + b";")
@example(b'{"message": "&#' + b"9" * 7000 + b';"}')
@example(b"NaN")
@example(b"<title>" * 3000)
@example(b"<" * 9000)
@example(b'{"error_msg": "\\ud800", "error_code": "EVS.1"}')
@example(b'{"message": "{\\"message\\": \\"{\\\\\\"message\\\\\\": 1}\\"}"}')
def test_any_bytes_become_a_clean_fault(body: bytes) -> None:
    """Property: nothing that a broken service sends raises or breaks the line."""
    assert_clean(refusal(500, body))


@given(JSON | FAULTY)
def test_any_json_becomes_a_clean_fault(document: object) -> None:
    """Property: types that the documentation excludes are no reason to raise."""
    assert_clean(refusal(400, document))


@given(st.dictionaries(st.sampled_from([b"X-Request-Id", b"x-iam-trace-id"]), st.binary()))
def test_any_request_id_header_is_shown_only_when_it_is_one(headers: dict[bytes, bytes]) -> None:
    assert_clean(refusal(400, b"", headers=headers))


def test_a_byte_order_mark_does_not_hide_the_message() -> None:
    assert said(b'\xef\xbb\xbf{"badRequest": {"message": "no"}}') == "no"


def test_a_code_without_a_message_still_counts() -> None:
    """404 with EVS.5404 means that the snapshot is gone, whatever else is missing."""
    assert refusal(404, {"error": {"code": "EVS.5404", "message": None}}).code == "EVS.5404"
    assert refusal(404, {"error": {"code": "EVS.5404"}}).code == "EVS.5404"


@pytest.mark.parametrize("code", ["EVS.5\x1b[2J.1", "EVS.1\nx", "x" * 999 + ".1", 404, "404", ""])
def test_what_is_no_code_is_not_shown_as_one(code: object) -> None:
    assert refusal(400, {"error": {"code": code, "message": "m"}}).code is None


def test_a_document_of_another_kind_is_quoted() -> None:
    """Better an unread document in the message than no explanation at all."""
    assert said({"detail": "in maintenance"}) == '{"detail": "in maintenance"}'
    assert said(["a"]) == '["a"]'
    assert said("only text") == "only text"
    assert said({}) == "no explanation given"


def test_markup_and_control_characters_leave_the_message() -> None:
    found = said({"message": "a<br /><br />\n\n\x1b[31mb \u202ec &amp; d \ud800"})
    assert found == "a [31mb c & d"


@pytest.mark.parametrize("secret", ["s3cret-p4ssword", 'q"uo\\te<b>&', "pässwörd & mehr"])
def test_a_secret_in_the_answer_is_masked(secret: str) -> None:
    for document in (secret, {"message": f"bad {secret}!"}, {"odd": [f"({secret})"]}):
        found = said(document, secrets=(secret,))
        assert secret not in found
        assert "***" in found


@pytest.mark.parametrize("lead", range(MESSAGE_LENGTH - 40, MESSAGE_LENGTH + 5))
def test_a_secret_at_the_cut_is_not_shown_in_part(lead: int) -> None:
    secret = "s3cret-p4ssword-of-some-length"
    found = said({"message": "x" * lead + secret}, secrets=(secret,))
    assert "s3cr" not in found


def test_a_secret_split_by_markup_is_not_shown() -> None:
    found = said({"message": "bad ab<b>cd!"}, secrets=("ab<b>cd",))
    assert found == "bad ***!"


@pytest.mark.parametrize("code", ["Common.0013", "EVS.0002", "EVS.5401", "IAM.1108"])
def test_a_stale_token_is_recognised_whatever_its_status(code: str) -> None:
    assert is_stale_token(refusal(400, {"code": code, "message": "token"}))
    assert is_stale_token(refusal(401, b""))
    assert not is_stale_token(refusal(400, {"code": "Common.0018", "message": "project"}))


def test_where_the_address_is_wrong_the_hint_says_which() -> None:
    hint = "Check OS_AUTH_URL."
    for status, shown in ((404, True), (302, True), (401, False)):
        answer = httpx.Response(status)
        error = refused(answer, doing="signing in", secrets=(), wrong_address=hint)
        assert (error.hint == hint) is shown
