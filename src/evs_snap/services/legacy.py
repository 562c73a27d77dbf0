"""Legacy snapshots: Cinder v3, and EVS's own paths for what Cinder does not do.

They lie in the disk's own storage and die with it; a disk holds 7 made by hand. Sources:
https://docs.openstack.org/api-ref/block-storage/v3/ and the chapter "EVS snapshot" of
https://docs.otc.t-systems.com/elastic-volume-service/api-ref/.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import Field

from evs_snap.api.bounds import SENT
from evs_snap.api.project import segment
from evs_snap.api.refusals import is_no_such_path
from evs_snap.api.wire import Texts
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    RestoreFailedError,
    ServiceError,
)
from evs_snap.services.interface import Created, Snapshot, SnapshotService, Stamp, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evs_snap.api.http import httpx
    from evs_snap.api.paging import Page

_VENDOR_PATHS = (("v2", "cloudsnapshots"), ("v3", "os-vendor-snapshots"))
"""EVS's own paths to snapshots, the newer one first: the version, and what follows it."""

_OTHER_KIND = (
    "Perhaps the region makes standard snapshots in place of these (--kind standard): "
    "`evs-snap doctor` tells."
)
"""Huawei Cloud closes regions to new legacy snapshots, and names no code for that refusal.

Source: https://support.huaweicloud.com/intl/en-us/usermanual-evs/evs_01_0098.html."""

_LONGEST_LABEL = 255
"""Characters of a metadata key or value (Cinder)."""


class LegacySnapshot(Snapshot):
    """A row of ``/v3/{project}/snapshots``; its labels are Cinder's metadata."""

    labels: Texts = Field(default_factory=dict, alias="metadata")

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return Legacy.kind


class Legacy(SnapshotService):
    """Snapshots by Cinder v3."""

    kind = "legacy"
    limit = 7
    can_hold = True
    timeout = 900.0

    def pages(
        self, *, volume_id: str | None, status: str | None, size: int
    ) -> Iterator[Page[LegacySnapshot]]:
        """Yield the snapshots page by page; Cinder and EVS list the newest first."""
        filters = {"volume_id": volume_id, "status": status}
        return self.project.pages(
            "snapshots/detail", "snapshots", LegacySnapshot, filters, size=size
        )

    def get(self, snapshot_id: str) -> Snapshot:
        """Return one snapshot."""
        path = f"snapshots/{segment(snapshot_id)}"
        answer = self.project.send("GET", path, doing="reading the snapshot")
        return self.project.one(answer, "snapshot", LegacySnapshot)

    def create(
        self,
        volume: Volume,
        *,
        name: str | None,
        description: str | None,
        properties: Mapping[str, str],
        stamp: Stamp | None,
        expire_after: float | None,  # noqa: ARG002 - `refuse` refuses it
    ) -> Created:
        """Ask for a snapshot. ``force`` is sent for an attached disk, which needs it.

        Source: https://support.huaweicloud.com/intl/en-us/eu-west-0-api-ecs/en-us_topic_0065817725.html
        """
        given = {
            "name": name,
            "description": description,
            "metadata": {**properties, **(stamp.labels() if stamp else {})} or None,
            "force": True if volume.status == "in-use" else None,
        }
        wanted = {"volume_id": volume.id, **{k: v for k, v in given.items() if v is not None}}
        answer = self.project.send(
            "POST",
            "snapshots",
            body={"snapshot": wanted},
            doing="creating the snapshot",
            unexplained=_OTHER_KIND,
        )
        made = self.project.one(answer, "snapshot", LegacySnapshot)
        return Created(made, sent=answer.extensions.get(SENT, 1))

    def label(self, snapshot_id: str, labels: Mapping[str, str]) -> Mapping[str, str]:
        """Add to the metadata, by the call that leaves other entries as they are.

        Source: https://docs.openstack.org/api-ref/block-storage/v3/ ("create a snapshot's
        metadata"). EVS may refuse it with EVS.5403, "metadata can not be operated".
        """
        path, doing = f"snapshots/{segment(snapshot_id)}/metadata", "labelling the snapshot"
        body = {"metadata": dict(labels)}
        answer = self.project.send("POST", path, body=body, doing=doing)
        told = self.project.document(answer).get("metadata")
        return (
            {k: v for k, v in told.items() if isinstance(v, str)} if isinstance(told, dict) else {}
        )

    def delete(self, snapshot_id: str) -> None:
        """Ask for a deletion."""
        path = f"snapshots/{segment(snapshot_id)}"
        self.project.send("DELETE", path, doing="deleting the snapshot")

    def rolls_back_to_any(self, snapshot_id: str) -> bool:
        """Return whether the cloud knows EVS's own paths: a plain Cinder has none of them."""
        try:
            self._vendor("GET", segment(snapshot_id), doing="reading the snapshot")
        except ServiceError as error:
            return not is_no_such_path(error)
        return True

    def roll_back(self, volume_id: str, *, snapshot_id: str) -> str | None:
        """Ask for a rollback by EVS's own paths; where there is none, by Cinder's ``revert``.

        Sources: https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_2020.html,
        https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_3008.html (the older path) and
        https://docs.openstack.org/api-ref/block-storage/v3/, "revert volume to snapshot".
        """
        doing = "rolling the disk back"
        body = {"rollback": {"volume_id": volume_id}}
        path = f"{segment(snapshot_id)}/rollback"
        try:
            answer = self._vendor("POST", path, body=body, doing=doing)
        except ServiceError as error:
            if not is_no_such_path(error):
                raise
            self._revert(volume_id, snapshot_id=snapshot_id)
            return None
        told = self.project.document(answer).get("rollback")
        if not isinstance(told, dict) or told.get("volume_id") != volume_id:
            raise BadAnswerError(f"{doing}: the answer does not name the disk")
        return None

    def job(self, job_id: str) -> None:
        """Return None: it has no jobs."""

    def refuse(
        self, *, properties: Mapping[str, str], policy: str, expire_after: float | None = None
    ) -> None:
        """Refuse what is too long for metadata, and an end that the service does not know."""
        if expire_after is not None:
            raise ConfigurationError(
                "--expire-after: no legacy snapshot is deleted by the service itself",
                hint="Delete by rules (`evs-snap rotate`); or take standard snapshots, where the "
                "region makes them: --kind standard.",
            )
        for key, value in {**properties, "policy": policy}.items():
            if max(len(key), len(value)) > _LONGEST_LABEL:
                raise ConfigurationError(
                    f"{key[:20]!r}: more than {_LONGEST_LABEL} characters, the most that a "
                    "legacy snapshot stores"
                )

    def _revert(self, volume_id: str, *, snapshot_id: str) -> None:
        """Ask Cinder, which takes the newest snapshot alone, and none of another size."""
        doing = "reverting the disk"
        try:
            answer = self.project.send(
                "POST",
                f"volumes/{segment(volume_id)}/action",
                body={"revert": {"snapshot_id": snapshot_id}},
                microversion="3.40",
                doing=doing,
            )
        except ServiceError as error:
            if error.status != HTTPStatus.NOT_ACCEPTABLE and not is_no_such_path(error):
                raise
            raise RestoreFailedError(
                "this cloud has no way to roll a disk back that evs-snap knows",
                hint=f"Make a new disk of it: `evs-snap restore {snapshot_id} --as NAME`. "
                "Or roll it back in the console.",
            ) from error
        if answer.content:
            raise BadAnswerError(f"{doing}: the answer is not Cinder's, which is empty")

    def _vendor(self, method: str, path: str, *, doing: str, body: object = None) -> httpx.Response:
        """Send to EVS's own path, the older one only where the newer does not exist."""
        for version, family in _VENDOR_PATHS:
            try:
                return self.project.send(
                    method, f"{family}/{path}", body=body, version=version, doing=doing
                )
            except ServiceError as error:
                if not is_no_such_path(error):
                    raise
                missing = error
        raise missing
