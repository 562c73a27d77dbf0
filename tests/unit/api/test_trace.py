"""Requests told as they go by: which, how long, and no secret of theirs."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.api.trace import Trace
from evs_snap.clock import system_clock
from evs_snap.errors import NotSentError

URL = "https://evs.example.com/v3/p/volumes?name=a%20b"


def told(
    answer: httpx.Response | Exception,
    *,
    secrets: tuple[str, ...] = (),
    bodies: bool = True,
    request: httpx.Request | None = None,
) -> list[str]:
    lines: list[str] = []
    ticks = iter((10.0, 11.25))
    clock = replace(system_clock(), monotonic=lambda: next(ticks))
    trace = Trace(lines.append, clock=clock, secrets=lambda: secrets, bodies=bodies)

    def send(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    try:
        trace.send(send, request or httpx.Request("GET", URL))
    except (httpx.TransportError, NotSentError):
        assert isinstance(answer, Exception)
    return lines


def test_one_line_tells_method_address_status_and_time() -> None:
    assert told(httpx.Response(200), bodies=False) == [f"GET {URL} -> 200 (1.25 s)"]


@pytest.mark.parametrize("error", [httpx.ReadTimeout("slow"), NotSentError("no connection")])
def test_a_failure_is_told_and_passed_on(error: Exception) -> None:
    (line,) = told(error, bodies=False)
    assert line == f"GET {URL} -> {type(error).__name__}: {error} (1.25 s)"


def test_headers_and_bodies_are_told_on_demand() -> None:
    request = httpx.Request("POST", URL, json={"user": {"name": "n", "password": "p4ss"}})
    lines = told(httpx.Response(202, json={"id": "s"}), request=request)
    assert '> {"user": {"name": "n", "password": "***"}}' in lines
    assert '< {"id": "s"}' in lines
    assert "> host: evs.example.com" in lines


KEYS = [
    "Authorization", "X-Auth-Token", "X-Subject-Token", "X-Security-Token", "X-Metadata-Token",
    "Set-Cookie",
]  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_headers_that_carry_secrets_are_hidden_wherever_their_value_is_repeated(name: str) -> None:
    """A token that is just being granted is known to nobody yet."""
    body = json.dumps({"granted": {"value": "t0ken-s3cret"}, "text": "see t0ken-s3cret"})
    headers = {name: "t0ken-s3cret"}
    request = httpx.Request("GET", URL, headers=headers, content=body)
    lines = told(httpx.Response(201, headers=headers, text=body), request=request)
    assert "s3cret" not in "\n".join(lines)
    assert f"> {name.lower()}: ***" in lines
    assert f"< {name.lower()}: ***" in lines


def test_a_known_secret_is_hidden_wherever_it_turns_up() -> None:
    secret = 'quo"te\\back größe&co'
    answers: list[httpx.Response | Exception] = [
        httpx.Response(400, json={"error": {"message": f"no: {secret}"}}),
        httpx.Response(400, text=f"no: {secret}"),
        httpx.ConnectError(f"cannot find {secret}"),
    ]
    for answer in answers:
        request = httpx.Request("GET", "https://h/", params={"x": secret})
        shown = "\n".join(told(answer, secrets=(secret,), request=request))
        assert "***" in shown
        assert not {"quo", "back", "größe", "gr%C3%B6%C3%9Fe"} & set(re.findall(r"[\w%]+", shown))


def test_what_the_service_says_does_not_move_the_cursor() -> None:
    lines = told(httpx.Response(400, content=b"\x1b[2Jgone\r\n\xff\x00"))
    assert all(line.isprintable() for line in lines)


@given(body=st.binary(), name=st.sampled_from(KEYS))
def test_any_answer_can_be_told(body: bytes, name: str) -> None:
    lines = told(httpx.Response(200, headers={name: "x"}, content=body))
    assert all(line.isprintable() for line in lines)
