"""The vendor's own SDK, which knows nothing of us, works against the sandbox by signature."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from evs_snap.clock import system_clock
from evs_snap.sandbox import ACCOUNT, Rules, Sandbox
from evs_snap.sandbox.server import serving
from evs_snap.sandbox.signature import canonical_request, is_right, read_claim
from evs_snap.sandbox.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


Untyped = Any


@dataclass(frozen=True)
class Sdk:
    """What is used of the SDK; it has no types."""

    evs: Untyped
    credentials: Untyped
    errors: Untyped
    region: Untyped
    request: Untyped
    signer: Untyped


@pytest.fixture(name="sdk", scope="module")
def _sdk(tmp_path_factory: pytest.TempPathFactory) -> Sdk:
    """Import the SDK: doing so writes an ID for this machine into the home directory."""
    with pytest.MonkeyPatch.context() as patch:
        home = str(tmp_path_factory.mktemp("home"))
        patch.setenv("HOME", home)
        patch.setenv("USERPROFILE", home)
        core = "huaweicloudsdkcore"
        return Sdk(
            evs=importlib.import_module("huaweicloudsdkevs.v2"),
            credentials=importlib.import_module(f"{core}.auth.credentials"),
            errors=importlib.import_module(f"{core}.exceptions.exceptions"),
            region=importlib.import_module(f"{core}.region.region"),
            request=importlib.import_module(f"{core}.sdk_request"),
            signer=importlib.import_module(f"{core}.signer.signer"),
        )


@dataclass(frozen=True)
class Served:
    """A sandbox on loopback, and the SDK to talk to it."""

    sdk: Sdk
    url: str

    def client(self, credentials: Untyped, *, region: str | None = None) -> Untyped:
        builder = self.sdk.evs.EvsClient.new_builder().with_credentials(credentials)
        if region is None:
            return builder.with_endpoint(self.url).build()
        return builder.with_region(self.sdk.region.Region(region, self.url)).build()

    def basic(
        self,
        access_key: str = ACCOUNT.access_key,
        secret_key: str = ACCOUNT.secret_key,
        project_id: str | None = ACCOUNT.project_id,
    ) -> Untyped:
        return self.sdk.credentials.BasicCredentials(access_key, secret_key, project_id)


@pytest.fixture(name="served")
def _served(sdk: Sdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(sdk.credentials.Credentials, "_CACHE", {})  # of project IDs, for ever
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    rules = Rules(settle=0, delete_settle=0)
    app = Sandbox(tmp_path / "sandbox.db", now=system_clock().now, rules=rules)
    with serving(app) as port:
        yield Served(sdk, f"http://127.0.0.1:{port}")


def names(client: Untyped, sdk: Sdk, **filters: object) -> list[str | None]:
    answer = client.list_volumes(sdk.evs.ListVolumesRequest(**filters))
    assert answer.count >= len(answer.volumes)
    return [volume.name for volume in answer.volumes]


def test_it_makes_and_deletes_a_snapshot(served: Served) -> None:
    evs, client = served.sdk.evs, served.client(served.basic())
    (volume,) = client.list_volumes(evs.ListVolumesRequest(name="data-01")).volumes
    assert client.show_volume(evs.ShowVolumeRequest(volume.id)).volume.status == "available"
    option = evs.CreateSnapshotOption(volume_id=volume.id, name="größe", metadata={"k": "v"})
    body = evs.CreateSnapshotRequestBody(option)
    made = client.create_snapshot(evs.CreateSnapshotRequest(body)).snapshot
    assert (made.name, made.metadata, made.size) == ("größe", {"k": "v"}, 40)
    found = client.list_snapshots(evs.ListSnapshotsRequest(volume_id=volume.id))
    assert (found.count, [snapshot.id for snapshot in found.snapshots]) == (1, [made.id])
    shown = client.show_snapshot(evs.ShowSnapshotRequest(made.id)).snapshot
    assert shown.status == "available"
    client.delete_snapshot(evs.DeleteSnapshotRequest(made.id))
    found = client.list_snapshots(evs.ListSnapshotsRequest(volume_id=volume.id))
    assert (found.count, found.snapshots) == (0, [])


def test_its_filters_are_signed_as_they_are_sent(served: Served) -> None:
    client = served.client(served.basic())
    assert len(names(client, served.sdk)) == 10
    assert len(names(client, served.sdk, limit=3)) == 3
    assert names(client, served.sdk, name="数据盘-größe") == ["数据盘-größe"]
    assert names(client, served.sdk, name="a b+c/d=e&f~%2F*'") == []


def test_it_finds_the_project_by_name(served: Served) -> None:
    """It takes the region's ID for the project's name, as these clouds do."""
    credentials = served.basic(project_id=None).with_iam_endpoint(served.url)
    client = served.client(credentials, region=ACCOUNT.project_name)
    assert len(names(client, served.sdk)) == 10
    assert credentials.project_id == ACCOUNT.project_id
    unknown = served.basic(project_id=None).with_iam_endpoint(served.url)
    with pytest.raises(served.sdk.errors.SdkException, match="Failed to get project id"):
        served.client(unknown, region="elsewhere")


def test_it_works_with_temporary_keys(served: Served) -> None:
    keys = (ACCOUNT.temporary_access_key, ACCOUNT.temporary_secret_key)
    credentials = served.basic(*keys).with_security_token(ACCOUNT.security_token)
    assert len(names(served.client(credentials), served.sdk)) == 10
    with pytest.raises(served.sdk.errors.ClientRequestException) as caught:
        names(served.client(served.basic(*keys)), served.sdk)
    assert "x-security-token not found" in caught.value.error_msg


@pytest.mark.parametrize(
    ("access_key", "secret_key", "reason"),
    [
        (ACCOUNT.access_key, "wrong", "verify aksk signature fail, canonicalRequest:GET|"),
        ("NOBODY", ACCOUNT.secret_key, "ak NOBODY not exist"),
    ],
)
def test_it_understands_the_refusal(
    access_key: str, secret_key: str, reason: str, served: Served
) -> None:
    client = served.client(served.basic(access_key, secret_key))
    with pytest.raises(served.sdk.errors.ClientRequestException) as caught:
        names(client, served.sdk)
    assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")
    assert caught.value.error_msg.startswith(f"Incorrect IAM authentication information: {reason}")
    assert len(caught.value.request_id) == 32


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
def test_it_signs_what_the_sandbox_checks(
    path: str, query: list[tuple[str, object]], sdk: Sdk
) -> None:
    date = "20260102T030405Z"
    headers = {"Host": "h:8776", "X-Sdk-Date": date, "Content-Type": "application/json"}
    asked = sdk.request.SdkRequest("POST", "http", "h:8776", path, path, query, headers, '{"é": 1}')
    signed = sdk.signer.Signer(sdk.credentials.BasicCredentials("AK", "SK", "p")).sign(asked)
    raw_path, _, query_string = signed.uri.partition("?")
    request = Request(
        method="POST",
        path=raw_path,
        raw_path=raw_path,
        query_string=query_string,
        headers={name.lower(): value for name, value in signed.header_params.items()},
        body=signed.body,
        origin="http://h:8776",
    )
    claim = read_claim(signed.header_params["Authorization"])
    assert claim is not None
    assert claim.signed_headers == ("content-type", "host", "x-sdk-date")
    canonical = canonical_request(request, signed_headers=claim.signed_headers)
    assert is_right(claim, canonical=canonical, date=date, secret_key="SK")
