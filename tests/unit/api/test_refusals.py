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

from evs_snap import errors
from evs_snap.api.fault import MESSAGE_LENGTH
from evs_snap.api.refusals import is_stale_token, refused
from evs_snap.errors import QuotaError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Row = Mapping[str, Any]

SAMPLES = Path(__file__).parents[2] / "samples"
BY_CLASS = tomllib.loads((SAMPLES / "refusals.toml").read_text(encoding="utf-8"))
EXIT_CODES = BY_CLASS.pop("exit_codes")
TABLE: list[tuple[str, Row]] = [(kind, row) for kind, rows in BY_CLASS.items() for row in rows]
WORDED = [row for _, row in TABLE if not {"sample", "body"} & row.keys()]
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


def recorded(path: Path) -> tuple[ServiceError, Any]:
    answer = json.loads(path.read_text(encoding="utf-8"))["response"]
    status = int(answer["status"].split()[1])
    return refusal(status, answer["body_raw"].encode(), headers=answer["headers"]), answer


def refused_as(row: Row, *, more: str = "") -> ServiceError:
    """Return the error for a row of the table, with ``more`` words in its message."""
    if "sample" in row:
        return recorded(SAMPLES / f"{row['sample']}.json")[0]
    fault = {"code": row.get("code"), "message": row.get("says", "as documented") + more}
    body = row["body"].encode() if "body" in row else {row.get("name", "error"): fault}
    return refusal(row["status"], body, headers={"X-Request-Id": "req-1"})


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


@pytest.mark.parametrize(("kind", "row"), TABLE, ids=str)
def test_each_refusal_has_its_class(kind: str, row: Row) -> None:
    """found: "snapshot full" ended with another code than a full disk's, a rate with that one."""
    error = refused_as(row)
    assert type(error).__name__ == kind
    assert row.get("hint", "") in (error.hint or "")
    if row.get("sample", "").startswith("cinder/"):  # read in the next test
        return
    says = words(error) if "sample" in row and "says" not in row else "as documented"
    request_id = None if "sample" in row else "req-1"
    assert (error.code, words(error), error.request_id) == (
        row.get("code"), row.get("says", says), row.get("request_id", request_id),
    )  # fmt: skip


def test_each_recorded_refusal_yields_its_message_and_request_id() -> None:
    count = 0
    for path in sorted((SAMPLES / "cinder").glob("*.json")):
        error, answer = recorded(path)
        if (error.status or 0) < 400:
            continue
        count += 1
        assert error.request_id == answer["headers"]["X-Openstack-Request-Id"]
        message = answer["body"].get("message") or next(iter(answer["body"].values()))["message"]
        assert words(error).startswith(message.split("<br")[0].split("\n")[0][:300])
        assert_clean(error)
    assert count > 30


@pytest.mark.parametrize(("kind", "exit_code"), EXIT_CODES.items())
def test_each_class_has_its_exit_code(kind: str, exit_code: int) -> None:
    """The codes are frozen: scripts depend on them."""
    assert getattr(errors, kind).exit_code == exit_code


@given(st.sampled_from(WORDED), st.sampled_from(RATES), st.sampled_from([400, 403, 413, 503]))
def test_words_about_a_rate_never_make_a_full_disk(sample: Row, rate: str, status: int) -> None:
    """Property: a rate passes by itself, so nothing needs to be deleted for it."""
    for row in (sample, {**sample, "status": status}):
        assert refused_as(row, more=f". {rate}").exit_code != QuotaError.exit_code


# What is made of the service's words.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FAULT_KEYS = ["error", "badRequest", "code", "message", "error_code", "error_msg", "errorCode",
              "errorMsg", "request_id", "title"]  # fmt: skip
FAULTY = st.dictionaries(
    st.sampled_from(FAULT_KEYS),
    JSON | st.dictionaries(st.sampled_from(["code", "message", "error_msg"]), JSON),
)


@given(st.binary() | (JSON | FAULTY).map(lambda document: json.dumps(document).encode()))
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


@given(st.dictionaries(st.sampled_from([b"X-Request-Id", b"x-iam-trace-id"]), st.binary()))
def test_any_request_id_header_is_shown_only_when_it_is_one(headers: dict[bytes, bytes]) -> None:
    assert_clean(refusal(400, b"", headers=headers))


@pytest.mark.parametrize("code", ["EVS.5\x1b[2J.1", "EVS.1\nx", "x" * 999 + ".1", 404, "404", ""])
def test_what_is_no_code_is_not_shown_as_one(code: object) -> None:
    assert refusal(400, {"error": {"code": code, "message": "m"}}).code is None


@pytest.mark.parametrize("secret", ["s3cret-p4ssword", 'q"uo\\te<b>&', "pässwörd & mehr", "a<b>d"])
def test_a_secret_in_the_answer_is_masked(secret: str) -> None:
    """Also where it is split by what looks like markup, and where it would be cut."""
    for document in (secret, {"message": f"bad {secret}!"}, {"odd": [f"({secret})"]}):
        found = said(document, secrets=(secret,))
        assert secret not in found
        assert "***" in found
    assert said({"message": f"bad {secret}!"}, secrets=(secret,)) == "bad ***!"
    for lead in range(MESSAGE_LENGTH - 40, MESSAGE_LENGTH + 5):
        assert secret[:4] not in said({"message": "x" * lead + secret}, secrets=(secret,))


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


@pytest.mark.parametrize(
    ("status", "says", "vague"),
    [
        *((status, "no", True) for status in (400, 403, 404)),
        *((status, "no", False) for status in (401, 500)),
        (400, "Quota exceeded for snapshots", False),
        (400, "Invalid snapshot name: its length exceeds 64", False),
    ],
)
def test_only_a_vague_refusal_is_told_with_another_reason(
    status: int, says: str, *, vague: bool
) -> None:
    answer = httpx.Response(status, json={"badRequest": {"message": says}})
    error = refused(answer, doing="x", secrets=(), unexplained="Or another kind.")
    assert (error.hint or "").endswith("Or another kind.") is vague
