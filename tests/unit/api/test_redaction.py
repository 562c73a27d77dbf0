"""No secret in what is shown, nor in what -v and -vv tell of a request."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.api.redaction import mask, redact_body
from evs_snap.api.trace import Trace
from evs_snap.clock import system_clock
from evs_snap.errors import NotSentError

SECRET = "s3cret-p4ssword"
URL = "https://evs.example.com/v3/p/volumes?name=a%20b"
HEADERS = [
    "X-Auth-Token", "x-subject-token", "Authorization", "X-Security-Token", "Set-Cookie",
    "Cookie", "Proxy-Authorization", "X-Metadata-Token", "X-Service-Token",
]  # fmt: skip


def told(
    outcome: httpx.Response | Exception,
    *,
    bodies: bool = True,
    request: httpx.Request | None = None,
) -> list[str]:
    """Return what is told of a request that takes 1.25 seconds."""
    lines: list[str] = []
    ticks = iter((10.0, 11.25))
    clock = replace(system_clock(), monotonic=lambda: next(ticks))

    def send(_: httpx.Request) -> httpx.Response:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    trace = Trace(lines.append, clock=clock, secrets=tuple, bodies=bodies)
    with pytest.raises(type(outcome)) if isinstance(outcome, Exception) else nullcontext():
        trace.send(send, request or httpx.Request("GET", URL))
    return lines


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (httpx.Response(200), "200"),
        (httpx.ReadTimeout("slow"), "ReadTimeout: slow"),
        (NotSentError("no connection"), "NotSentError: no connection"),
    ],
)
def test_one_line_tells_method_address_outcome_and_time(
    outcome: httpx.Response | Exception, shown: str
) -> None:
    assert told(outcome, bodies=False) == [f"GET {URL} -> {shown} (1.25 s)"]


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_carry_secrets_are_hidden_wherever_their_value_is_repeated(name: str) -> None:
    """A token that is just being granted is known to nobody yet."""
    body = json.dumps({"granted": {"value": SECRET}, "text": f"see {SECRET}", "id": "s"})
    headers = {name: SECRET}
    request = httpx.Request("POST", URL, headers=headers, content=body)
    lines = told(httpx.Response(201, headers=headers, text=body), request=request)
    assert "s3cret" not in "\n".join(lines)
    hidden = json.dumps({"granted": {"value": "***"}, "text": "see ***", "id": "s"})
    for mark in "><":
        assert {f"{mark} {name.lower()}: ***", f"{mark} {hidden}"} <= set(lines)
    assert "> host: evs.example.com" in lines


@given(body=st.binary(), name=st.sampled_from(HEADERS))
def test_any_answer_can_be_told_and_moves_no_cursor(body: bytes, name: str) -> None:
    lines = told(httpx.Response(200, headers={name: "x"}, content=body + b"\x1b[2Jgone\r\n\xff"))
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    "document",
    [
        {"auth": {"identity": {"password": {"user": {"name": "cron", "password": SECRET}}}}},
        {"auth": {"identity": {"methods": ["token"], "token": {"id": SECRET}}}},
        {"credential": {"access": "AK", "secret": SECRET, "securitytoken": SECRET}},
        [{"totp": {"user": {"passcode": SECRET}}}],
        {"Password": [SECRET]},
        {"password": SECRET, "token": SECRET},
        {"password": 1234567, "was": "a number"},
    ],
)
def test_secret_values_of_a_body_are_hidden(document: object) -> None:
    shown = redact_body(json.dumps(document).encode())
    assert SECRET not in shown
    assert "1234567" not in shown
    assert "***" in shown


def test_the_rest_of_a_body_is_left() -> None:
    body = {"token": {"project": {"id": "p"}, "expires_at": "2026"}, "name": "cron"}
    assert json.loads(redact_body(json.dumps(body).encode())) == body


def test_a_body_cut_off_in_the_middle_or_deeply_nested_shows_no_secret() -> None:
    body = f'{{"auth": {{"user": {{"Password" : "{SECRET}'.encode()
    assert redact_body(body) == '{"auth": {"user": {"Password" : "***'
    for depth in (300, 500, 700, 900, 5000):
        nest = b"[" * depth + b"]" * depth
        assert SECRET not in redact_body(b'{"password": "%b", "a": %b}' % (SECRET.encode(), nest))


@pytest.mark.parametrize(
    "secret",
    [
        *(SECRET, 'p"w\\x', "pässwörd-数据", "per%cent%20", "a b&c=d/e", "<pw>&'co'"),
        *("{json}[]", "t\u2028sep"),
    ],
)
def test_a_known_secret_is_masked_however_it_is_escaped(secret: str) -> None:
    in_lower_case = re.sub("%..", lambda escape: escape[0].lower(), quote(secret, safe=""))
    for shown in (
        *(secret, json.dumps({"m": secret}), quote(secret), quote(secret, safe="")),
        in_lower_case,  # found: a gateway that escapes so quoted a password
    ):
        assert mask(f"[{shown}]", secrets=[secret]) in {"[***]", '[{"m": "***"}]'}


def test_a_very_short_secret_does_not_blank_out_the_text() -> None:
    assert mask("an account", secrets=["a", ""]) == "an account"


@given(st.text(), st.text(min_size=4))
def test_no_text_shows_a_secret(text: str, secret: str) -> None:
    """Property: not even where secret and text hold quotes, surrogates or markup."""
    assert "***" in mask(text + secret + text, secrets=[secret])


def test_a_secret_that_begins_with_another_is_hidden_whole() -> None:
    assert mask("[abcd-efgh]", secrets=["abcd", "abcd-efgh"]) == "[***]"
