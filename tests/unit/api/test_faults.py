"""Any refusal, in any shape, becomes one clean record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evs_snap.api.refusals import MESSAGE_LENGTH, Fault, read_fault

SAMPLES = Path(__file__).parents[2] / "samples"

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


def read_sample(path: Path) -> Fault:
    response = json.loads(path.read_text(encoding="utf-8"))["response"]
    return read_fault(
        status=int(response["status"].split()[1]),
        headers=response["headers"],
        body=response["body_raw"].encode(),
    )


def fault(body: object, *, secrets: tuple[str, ...] = ()) -> Fault:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_fault(status=400, headers={}, body=raw, secrets=secrets)


def assert_clean(found: Fault) -> None:
    assert len(found.message) <= MESSAGE_LENGTH
    assert found.message.isprintable()
    for text in (found.code or "", found.request_id or ""):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= 256


VENDORS = {
    "error-object": (404, "error", "EVS.5404", "snapshot could not be found", "evs-req-1"),
    "fault-name": (400, "badRequest", None, "Invalid input received", "req-2"),
    "gateway": (401, None, "APIGW.0301", "Incorrect IAM authentication information", "gw-3"),
    "gateway-no-such-api": (
        404,
        None,
        "APIGW.0101",
        "The API does not exist or has not been published in the environment",
        "gw-4",
    ),
    "keystone-title": (401, "error", None, "The username or password is wrong.", "iam-6"),
    "iam-flat": (401, None, "IAM.0061", "The account is locked.", None),
    "camel-case": (403, None, "EVS.2144", "The account is frozen.", None),
    "flat": (400, None, "Common.0013", "x-auth-token verified failed", None),
    "over-limit": (
        413,
        "overLimit",
        None,
        "SnapshotLimitExceeded: Maximum number of snapshots allowed (10) exceeded",
        "req-8",
    ),
    "json-in-message": (400, "badRequest", "EVS.1047", "snapshot status is invalid", None),
    "encoded-authorization-message": (
        403,
        None,
        "EVS.5403",
        "Policy doesn't allow evs:snapshots:create to be performed.",
        None,
    ),
    "plain-text": (401, None, None, "Authentication required", None),
    "balancer-html": (502, None, None, "502 Bad Gateway", None),
    "empty": (503, None, None, "", None),
}


@pytest.mark.parametrize("name", VENDORS)
def test_each_shape_of_the_vendors_is_read(name: str) -> None:
    found = read_sample(SAMPLES / "evs" / f"{name}.json")
    assert (found.status, found.name, found.code, found.message, found.request_id) == VENDORS[name]


def _refused(path: Path) -> bool:
    answer = json.loads(path.read_text(encoding="utf-8"))["response"]
    return int(answer["status"].split()[1]) >= 400


REFUSED = [path for path in sorted((SAMPLES / "cinder").glob("*.json")) if _refused(path)]


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_each_recorded_refusal_yields_its_message_and_request_id(path: Path) -> None:
    response = json.loads(path.read_text(encoding="utf-8"))["response"]
    found = read_sample(path)
    assert found.status == int(response["status"].split()[1])
    assert found.request_id == response["headers"]["X-Openstack-Request-Id"]
    said = response["body"].get("message") or next(iter(response["body"].values()))["message"]
    start = said.split("<br")[0].split("\n")[0][:300]
    assert found.message.startswith(start)
    assert_clean(found)


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
    assert_clean(read_fault(status=500, headers={}, body=body))


@given(JSON | FAULTY)
def test_any_json_becomes_a_clean_fault(document: object) -> None:
    """Property: types that the documentation excludes are no reason to raise."""
    assert_clean(fault(document))


@given(st.dictionaries(st.sampled_from(["X-Request-Id", "x-iam-trace-id"]), st.text()))
def test_any_request_id_header_is_shown_only_when_it_is_one(headers: dict[str, str]) -> None:
    assert_clean(read_fault(status=400, headers=headers, body=b""))


def test_a_byte_order_mark_does_not_hide_the_message() -> None:
    assert fault(b'\xef\xbb\xbf{"badRequest": {"message": "no"}}').message == "no"


def test_a_code_without_a_message_still_counts() -> None:
    """404 with EVS.5404 means that the snapshot is gone, whatever else is missing."""
    assert fault({"error": {"code": "EVS.5404", "message": None}}).code == "EVS.5404"
    assert fault({"error": {"code": "EVS.5404"}}).code == "EVS.5404"


@pytest.mark.parametrize("code", ["EVS.5\x1b[2J.1", "EVS.1\nx", "x" * 999 + ".1", 404, "404", ""])
def test_what_is_no_code_is_not_shown_as_one(code: object) -> None:
    assert fault({"error": {"code": code, "message": "m"}}).code is None


def test_a_document_of_another_kind_is_quoted() -> None:
    """Better an unread document in the message than no explanation at all."""
    assert fault({"detail": "in maintenance"}).message == '{"detail": "in maintenance"}'
    assert fault(["a"]).message == '["a"]'
    assert fault("only text").message == "only text"
    assert fault({}).message == ""


def test_markup_and_control_characters_leave_the_message() -> None:
    found = fault({"message": "a<br /><br />\n\n\x1b[31mb \u202ec &amp; d \ud800"})
    assert found.message == "a [31mb c & d"


@pytest.mark.parametrize("secret", ["s3cret-p4ssword", 'q"uo\\te<b>&', "pässwörd & mehr"])
def test_a_secret_in_the_answer_is_masked(secret: str) -> None:
    for document in (secret, {"message": f"bad {secret}!"}, {"odd": [f"({secret})"]}):
        found = fault(document, secrets=(secret,))
        assert secret not in found.message
        assert "***" in found.message


@pytest.mark.parametrize("lead", range(MESSAGE_LENGTH - 40, MESSAGE_LENGTH + 5))
def test_a_secret_at_the_cut_is_not_shown_in_part(lead: int) -> None:
    secret = "s3cret-p4ssword-of-some-length"
    found = fault({"message": "x" * lead + secret}, secrets=(secret,))
    assert "s3cr" not in found.message


def test_a_secret_split_by_markup_is_not_shown() -> None:
    found = fault({"message": "bad ab<b>cd!"}, secrets=("ab<b>cd",))
    assert found.message == "bad ***!"


@pytest.mark.parametrize("code", ["Common.0013", "EVS.0002", "EVS.5401", "IAM.1108"])
def test_a_stale_token_is_recognised_whatever_its_status(code: str) -> None:
    assert fault({"code": code, "message": "token"}).may_be_stale_token
    assert read_fault(status=401, headers={}, body=b"").may_be_stale_token
    assert not fault({"code": "Common.0018", "message": "project"}).may_be_stale_token
