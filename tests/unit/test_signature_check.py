"""The vendor's SDK, which knows nothing of us, gets through the tests' gateway to the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.signature_check import SECURITY_TOKEN, TEMPORARY

from evs_snap.sandbox import ACCOUNT

if TYPE_CHECKING:
    from tests.unit.conftest import Served


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
    assert (refused.status_code, refused.error_code) == (401, "APIGW.0301")
    assert "x-security-token not found" in refused.error_msg
