"""The tests' own gateway is right: the vendor's SDK, which knows nothing of us, gets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.signature_check import (
    KEYS,
    SECURITY_TOKEN,
    TEMPORARY,
    KeyPair,
    Received,
    canonical,
    is_right,
)

from evs_snap.sandbox import ACCOUNT

if TYPE_CHECKING:
    from tests.unit.conftest import Sdk, Served


def test_its_filters_are_signed_as_they_are_sent(served: Served) -> None:
    client = served.client(served.basic())
    assert len(served.names(client)) == 10
    assert len(served.names(client, limit=3)) == 3
    assert served.names(client, name="数据盘-größe") == ["数据盘-größe"]
    assert served.names(client, name="a b+c/d=e&f~%2F*'") == []


def test_it_rolls_a_disk_back(served: Served) -> None:
    """The one request with a body; it holds the sandbox's rollback to the vendor's shapes."""
    evs, client = served.sdk.evs, served.client(served.basic())
    (volume,) = client.list_volumes(evs.ListVolumesRequest(name="data-02")).volumes
    assert volume.tags == {"backup": "daily"}
    body = evs.RollbackSnapshotRequestBody(evs.RollbackSnapshotOption(volume_id=volume.id))
    asked = evs.RollbackSnapshotRequest("4414fdb8-62a0-447c-b759-5d14075cb92a", body)
    assert client.rollback_snapshot(asked).rollback.volume_id == volume.id
    wrong = evs.RollbackSnapshotRequest("168d5cca-cd43-4c46-a1a9-13a554a8bff7", body)
    with pytest.raises(served.sdk.errors.ClientRequestException) as caught:
        client.rollback_snapshot(wrong)
    assert caught.value.error_code == "EVS.2045"


def test_it_finds_the_project_by_name(served: Served) -> None:
    """It takes the region's ID for the project's name, as these clouds do."""
    credentials = served.basic(project_id=None).with_iam_endpoint(served.url)
    client = served.client(credentials, region=ACCOUNT.project_name)
    assert len(served.names(client)) == 10
    assert credentials.project_id == ACCOUNT.project_id


def test_temporary_keys_need_their_token(served: Served) -> None:
    credentials = served.basic(TEMPORARY).with_security_token(SECURITY_TOKEN)
    assert len(served.names(served.client(credentials))) == 10
    refused = served.refusal(served.client(served.basic(TEMPORARY)))
    assert "x-security-token not found" in refused.error_msg


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (KeyPair(KEYS.access_key, "wrong"), "verify aksk signature fail, canonicalRequest:GET|"),
        (KeyPair("NOBODY", KEYS.secret_key), "ak NOBODY not exist"),
    ],
)
def test_wrong_keys_are_refused(keys: KeyPair, reason: str, served: Served) -> None:
    refused = served.refusal(served.client(served.basic(keys)))
    assert (refused.status_code, refused.error_code) == (401, "APIGW.0301")
    assert refused.error_msg.startswith(f"Incorrect IAM authentication information: {reason}")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v3/p/s", []),
        ("/v3/p/s/", []),
        ("/v3/p/a b+c~!*'()", []),
        ("/v3/p/gr%C3%B6%c3%9fe", []),
        ("/v3/p/s", [("k", "")]),
        ("/v3/p/s", [("k", "b"), ("k", "a"), ("j", ["z", "é", "~"])]),
        ("/v3/p/s", [("k", "a b"), ("l", "a+b"), ("m", "a%20b"), ("n", "a/b~'()*!")]),
        ("/v3/p/s", [("a-b", "1"), ("a b", "2"), ("a", "3"), ("a{", "4"), ("a_", "5")]),
        ("/v3/p/s", [("k=", "="), ("a&b", "c&d"), ("ä", "ö"), ("t", True), ("n", 50)]),
    ],
)
def test_it_signs_what_the_gateway_checks(
    path: str, query: list[tuple[str, object]], sdk: Sdk
) -> None:
    date = "20260102T030405Z"
    headers = {"Host": "h:8776", "X-Sdk-Date": date, "Content-Type": "application/json"}
    asked = sdk.request.SdkRequest("POST", "http", "h:8776", path, path, query, headers, '{"é": 1}')
    signed = sdk.signer.Signer(sdk.credentials.BasicCredentials("AK", "SK", "p")).sign(asked)
    raw_path, _, query_string = signed.uri.partition("?")
    lower = {name.lower(): value for name, value in signed.header_params.items()}
    received = Received("POST", raw_path, query_string, lower, signed.body)
    signature = lower["authorization"].rpartition("=")[2]
    text = canonical(received, ["content-type", "host", "x-sdk-date"])
    assert is_right(signature, text=text, date=date, secret_key="SK")
    changed = canonical(
        Received("POST", raw_path, f"{query_string}&x=1", lower, signed.body), list(lower)
    )
    assert not is_right(signature, text=changed, date=date, secret_key="SK")
