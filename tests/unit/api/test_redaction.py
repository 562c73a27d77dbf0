"""No secret in what is shown."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.api.redaction import mask, redact_body, redact_headers

SECRET = "s3cret-p4ssword"


@pytest.mark.parametrize(
    "name",
    [
        "X-Auth-Token",
        "x-subject-token",
        "Authorization",
        "X-Security-Token",
        "Set-Cookie",
        "Cookie",
        "Proxy-Authorization",
        "X-Metadata-Token",
        "X-Service-Token",
    ],
)
def test_headers_that_carry_credentials_are_hidden(name: str) -> None:
    assert redact_headers({name: SECRET, "Host": "evs"}) == {name: "***", "Host": "evs"}


@pytest.mark.parametrize(
    "document",
    [
        {"auth": {"identity": {"password": {"user": {"name": "cron", "password": SECRET}}}}},
        {"auth": {"identity": {"methods": ["token"], "token": {"id": SECRET}}}},
        {"credential": {"access": "AK", "secret": SECRET, "securitytoken": SECRET}},
        [{"totp": {"user": {"passcode": SECRET}}}],
        {"Password": [SECRET]},
        {"password": SECRET, "token": SECRET},
    ],
)
def test_secret_values_of_a_body_are_hidden(document: object) -> None:
    shown = redact_body(json.dumps(document).encode())
    assert SECRET not in shown
    assert "***" in shown


def test_a_number_can_be_a_password() -> None:
    assert "1234567" not in redact_body(b'{"password": 1234567}')


def test_the_rest_of_a_body_is_left() -> None:
    body = {"token": {"project": {"id": "p"}, "expires_at": "2026"}, "name": "cron"}
    assert json.loads(redact_body(json.dumps(body).encode())) == body


def test_a_body_cut_off_in_the_middle_shows_no_secret() -> None:
    body = f'{{"auth": {{"user": {{"Password" : "{SECRET}'.encode()
    assert redact_body(body) == '{"auth": {"user": {"Password" : "***'


@given(st.binary())
def test_any_body_can_be_shown(body: bytes) -> None:
    assert isinstance(redact_body(body), str)


@pytest.mark.parametrize("depth", [300, 500, 700, 900, 5000])
def test_deep_nesting_is_no_reason_to_fail(depth: int) -> None:
    body = b'{"password": "' + SECRET.encode() + b'", "a": ' + b"[" * depth + b"]" * depth + b"}"
    assert SECRET not in redact_body(body)


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        'p"w\\x',
        "pässwörd-数据",
        "per%cent%20",
        "a b&c=d/e",
        "<pw>&'co'",
        "{json}[]",
        "t\u2028sep",
    ],
)
def test_a_known_secret_is_masked_however_it_is_escaped(secret: str) -> None:
    for shown in (secret, json.dumps({"m": secret}), quote(secret), quote(secret, safe="")):
        assert mask(f"[{shown}]", secrets=[secret]) in {"[***]", '[{"m": "***"}]'}


def test_a_very_short_secret_does_not_blank_out_the_text() -> None:
    assert mask("an account", secrets=["a", ""]) == "an account"


@given(st.text(), st.text(min_size=4))
def test_no_text_shows_a_secret(text: str, secret: str) -> None:
    """Property: not even where secret and text hold quotes, surrogates or markup."""
    shown = mask(text + secret + text, secrets=[secret])
    assert "***" in shown
