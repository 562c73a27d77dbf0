"""EvsClient: one method for each API operation, typed rows out, refusals as errors.

Sources: https://docs.openstack.org/api-ref/block-storage/v3/ and the chapters "EVS disk" and
"EVS snapshot" of https://docs.otc.t-systems.com/elastic-volume-service/api-ref/.
"""

from __future__ import annotations

import json
from contextlib import suppress
from copy import copy
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import chain
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import ValidationError

from evs_snap.api.bounds import UNTIL
from evs_snap.api.http import httpx
from evs_snap.api.models import (
    DEFAULT_LIMIT,
    Model,
    QuotaSet,
    Snapshot,
    Volume,
    VolumeSummary,
    parse_time,
    ready,
)
from evs_snap.api.paging import Page, Row, all_pages, query_text
from evs_snap.api.redaction import mask
from evs_snap.api.refusals import is_no_such_path, refused
from evs_snap.errors import (
    BadAnswerError,
    EvsSnapError,
    NotFoundError,
    ServiceError,
    WrongEndpointError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evs_snap.api.identity import Identity
    from evs_snap.clock import Clock

_VENDOR_PATHS = (("v2", "cloudsnapshots"), ("v3", "os-vendor-snapshots"))
"""EVS's own paths to snapshots, the newer one first: the version, and what follows it."""


_AS_GOOD = timedelta(seconds=5)

_HINT_TIME = 5.0
"""Seconds that a hint may take."""


class EvsClient:
    """The project's disks and snapshots. Safe to share between threads.

    Every method raises UnreachableError, BadAnswerError or a ServiceError when it
    cannot do what its name says.
    """

    def __init__(
        self, http: httpx.Client, *, auth: Identity, clock: Clock, limit: int = DEFAULT_LIMIT
    ) -> None:
        self._http = http
        self._auth = auth
        self.clock = clock
        """Time and chance, for all that is done with this client."""
        self._ahead = timedelta()
        self.limit = limit
        """How many snapshots a disk may hold in this cloud."""
        self._base: str | None = None
        self._until = inf

    def until(self, moment: float) -> EvsClient:
        """Return this client, with requests that end at that moment of ``clock.monotonic``.

        Their failure is raised then, even where they could be repeated.
        """
        hurried = copy(self)
        hurried._until = moment  # noqa: SLF001 - its own
        return hurried

    def volumes(self, *, name: str | None = None) -> list[Volume]:
        """Return all disks with their details, or those whose name is exactly ``name``.

        Cinder reads a filter value that looks like a Python literal as one, so a name
        such as ``123`` may find nothing although the disk is there.
        """
        rows = self._rows("volumes/detail", "volumes", Volume, {"name": name})
        return [row for row in rows if name is None or row.name == name]

    def volumes_with_tags(self) -> list[Volume]:
        """Return all disks with their details and their EVS tags.

        Raises WrongEndpointError where the cloud has no EVS tags, as upstream Cinder.

        Source: https://docs.otc.t-systems.com/elastic-volume-service/api-ref/, "querying
        details about all disks (recommended)".
        """
        try:
            return list(self._rows("cloudvolumes/detail", "volumes", Volume, {}, version="v2"))
        except ServiceError as error:
            if not is_no_such_path(error):
                raise
            raise WrongEndpointError(
                "this cloud has no EVS tags (there is no /v2/.../cloudvolumes/detail)",
                hint="Select by metadata: --with-metadata K=V.",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error

    def volume_summaries(self, *, name: str | None = None) -> list[VolumeSummary]:
        """Return ID and name of all disks, or of those named exactly ``name``.

        A page of this list is a tenth of the size of a page of ``volumes``. The program
        itself needs the status of each disk, which only ``volumes`` tells.
        """
        rows = self._rows("volumes", "volumes", VolumeSummary, {"name": name})
        return [row for row in rows if name is None or row.name == name]

    def volume(self, volume_id: str) -> Volume:
        """Return one disk. Raises NotFoundError where there is none."""
        doing = "reading the disk"
        answer = self.send("GET", f"volumes/{_segment(volume_id)}", doing=doing)
        volume = self._one(answer, "volume", Volume)
        _require_same(volume.id, asked=volume_id, doing=doing)
        return volume

    def create_volume(  # noqa: PLR0913 - what the operation takes
        self,
        *,
        size: int,
        name: str | None = None,
        snapshot_id: str | None = None,
        availability_zone: str | None = None,
        volume_type: str | None = None,
        multiattach: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Volume:
        """Ask for a disk of ``size`` GiB; the service makes it after it has answered.

        EVS makes one from a snapshot only with the zone and type of the snapshot's disk. After
        AnswerLostError, BadAnswerError or ServerError the disk may or may not have been made.

        Source: https://docs.otc.t-systems.com/elastic-volume-service/api-ref/ ("creating EVS
        disks").
        """
        given = {
            "name": name,
            "snapshot_id": snapshot_id,
            "availability_zone": availability_zone,
            "volume_type": volume_type,
            "multiattach": multiattach or None,
            "metadata": metadata if metadata is None else dict(metadata),
        }
        wanted = {"size": size, **{k: v for k, v in given.items() if v is not None}}
        answer = self.send("POST", "volumes", body={"volume": wanted}, doing="creating the disk")
        return self._one(answer, "volume", Volume)

    def snapshots(self, *, volume_id: str | None = None) -> list[Snapshot]:
        """Return all snapshots of the project, or those of one disk."""
        return list(self.each_snapshot(volume_id=volume_id))

    def each_snapshot(self, *, volume_id: str | None = None) -> Iterator[Snapshot]:
        """Yield what ``snapshots`` returns, a page at a time: for those who keep little of it."""
        rows = self._rows("snapshots/detail", "snapshots", Snapshot, {"volume_id": volume_id})
        # A service that ignores the filter would hand over the whole project.
        return rows if volume_id is None else (row for row in rows if row.volume_id == volume_id)

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """Return one snapshot. Raises NotFoundError where there is none."""
        doing = "reading the snapshot"
        answer = self.send("GET", f"snapshots/{_segment(snapshot_id)}", doing=doing)
        snapshot = self._one(answer, "snapshot", Snapshot)
        _require_same(snapshot.id, asked=snapshot_id, doing=doing)
        return snapshot

    def create_snapshot(
        self,
        volume_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> Snapshot:
        """Ask for a snapshot; the service makes it after it has answered.

        ``force`` is needed for attached disks. After AnswerLostError, BadAnswerError or
        ServerError the snapshot may or may not have been made.
        """
        given = {
            "name": name,
            "description": description,
            "metadata": metadata if metadata is None else dict(metadata),
            "force": force or None,
        }
        wanted = {"volume_id": volume_id, **{k: v for k, v in given.items() if v is not None}}
        doing = "creating the snapshot"
        answer = self.send("POST", "snapshots", body={"snapshot": wanted}, doing=doing)
        snapshot = self._one(answer, "snapshot", Snapshot)
        _require_same(snapshot.volume_id, asked=volume_id, doing=doing)
        return snapshot

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Ask for a deletion; the service carries it out after it has answered."""
        path = f"snapshots/{_segment(snapshot_id)}"
        self.send("DELETE", path, doing="deleting the snapshot")

    def has_vendor_paths(self, snapshot_id: str) -> bool:
        """Return whether the cloud knows EVS's own snapshot paths, or Cinder's alone.

        ``snapshot_id`` is that of any snapshot that is there.
        """
        try:
            self._vendor("GET", _segment(snapshot_id), doing="reading the snapshot")
        except ServiceError as error:
            return not is_no_such_path(error)
        return True

    def has_standard_snapshots(self) -> bool:
        """Return whether the region lists Huawei Cloud's standard snapshots, another product.

        A hint, for which at most five seconds are taken: False where anything else, or
        nothing, is answered.

        Source: https://support.huaweicloud.com/intl/en-us/api-evs/ListSnapshotsDetailsV5.html
        ("Standard snapshots are available only in some regions"). Editions differ in the path.
        """
        brief = self.until(self.clock.monotonic() + _HINT_TIME)
        for path in ("snapshots/detail?limit=1", "snapshots?limit=1"):
            with suppress(EvsSnapError):
                answer = brief.send("GET", path, version="v5")
                if isinstance(self._document(answer).get("snapshots"), list):
                    return True
        return False

    def roll_back(self, volume_id: str, *, snapshot_id: str) -> None:
        """Ask for a rollback of the snapshot's own disk, by EVS's own paths.

        The disk must be detached. Raises WrongEndpointError where the cloud has none of these
        paths: nothing was done then. After AnswerLostError, BadAnswerError or ServerError the
        rollback may or may not have begun.

        Sources: https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_2020.html and, for
        the older path, https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_3008.html.
        """
        doing, body = "rolling the disk back", {"rollback": {"volume_id": volume_id}}
        path = f"{_segment(snapshot_id)}/rollback"
        answer = self._vendor("POST", path, body=body, doing=doing)
        told = self._document(answer).get("rollback")
        if not isinstance(told, dict) or told.get("volume_id") != volume_id:
            raise BadAnswerError(f"{doing}: the answer does not name the disk")

    def revert_volume(self, volume_id: str, *, snapshot_id: str) -> None:
        """Ask for a disk to be reverted to its newest snapshot, as upstream Cinder does it.

        Cinder takes no other than the newest, and none of another size than the disk's.
        After AnswerLostError, BadAnswerError or ServerError the revert may or may not have begun.

        Source: https://docs.openstack.org/api-ref/block-storage/v3/, "revert volume to snapshot".
        """
        doing = "reverting the disk"
        answer = self.send(
            "POST",
            f"volumes/{_segment(volume_id)}/action",
            body={"revert": {"snapshot_id": snapshot_id}},
            microversion="3.40",
            doing=doing,
        )
        if answer.content:
            raise BadAnswerError(f"{doing}: the answer is not Cinder's, which is empty")

    def quota(self) -> QuotaSet:
        """Return the project's quotas and how much of them is used."""
        # Cinder compares the text: it must be "True", with a capital T.
        path = f"os-quota-sets/{self.project_id}?usage=True"
        return self._one(self.send("GET", path, doing="reading the quotas"), "quota_set", QuotaSet)

    def _vendor(self, method: str, path: str, *, doing: str, body: object = None) -> httpx.Response:
        """Send to EVS's own path, the older one only where the newer does not exist."""
        for version, family in _VENDOR_PATHS:
            try:
                return self.send(
                    method, f"{family}/{path}", body=body, version=version, doing=doing
                )
            except ServiceError as error:
                if not is_no_such_path(error):
                    raise
                missing = error
        raise missing

    def _rows(
        self,
        path: str,
        key: str,
        model: type[Row],
        filters: Mapping[str, str | None],
        *,
        version: str | None = None,
    ) -> Iterator[Row]:
        def ask(query: Mapping[str, str]) -> Page[Row]:
            asked = f"{path}?{query_text(query)}"
            answer = self.send("GET", asked, version=version, doing=f"listing {key}")
            page = Page.of_json(answer.content, key, model)
            return page or Page.of_document(self._document(answer), key, model)

        return chain.from_iterable(all_pages(ask, key, filters=filters))

    def _one(self, answer: httpx.Response, key: str, model: type[Model]) -> Model:
        document = self._document(answer)
        try:
            return ready(model).model_validate(document.get(key))
        except ValidationError as error:
            raise BadAnswerError(
                f"{answer.request.method} {answer.request.url.path}: "
                f"the answer holds no {key.replace('_', ' ')} with an ID"
            ) from error

    def _document(self, answer: httpx.Response) -> dict[str, object]:
        try:
            document = json.loads(answer.content)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return document
        kind = answer.headers.get("Content-Type", "no content type")[:60]
        text = mask(answer.content[:9999].decode(errors="replace"), secrets=self._auth.secrets)
        start = " ".join(text.split())[:60]
        raise BadAnswerError(
            f"{answer.request.method} {answer.request.url.copy_with(query=None)}: "
            f"the answer is no JSON object ({kind}; {len(answer.content)} bytes: {start!r})",
            hint="Check the endpoint, and that no proxy or log-in page stands between.",
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        doing: str | None = None,
        version: str | None = None,
        microversion: str | None = None,
    ) -> httpx.Response:
        """Send one request below the project's address; return its answer, a success.

        ``body`` is sent as JSON. ``doing`` names the attempt in messages. ``version`` (as
        ``v2``) is the API's, if not that of the address; ``microversion`` is Cinder's.
        """
        doing = doing or f"{method} {path}"
        headers = {"Accept": "application/json"}
        if microversion is not None:
            headers["OpenStack-API-Version"] = f"volume {microversion}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body)
        try:
            request = httpx.Request(
                method,
                f"{self.address(version=version)}/{path}",
                headers=headers,
                content=content,
                extensions={UNTIL: self._until},
            )
            response = self._http.send(request, auth=self._auth)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise BadAnswerError(f"{doing}: {str(error) or type(error).__name__}") from error
        self._read_date(response.headers.get("Date"))
        if not response.is_success:
            raise refused(response, doing=doing, secrets=self._auth.secrets)
        return response

    @property
    def service_now(self) -> datetime:
        """The time (UTC) by the Date header of the service's last answer; else this machine's."""
        return self.clock.now() + self._ahead

    def _read_date(self, date: str | None) -> None:
        try:
            told = parse_time(parsedate_to_datetime(date or ""))
        except (TypeError, ValueError, OverflowError):
            return
        if told is None:
            return
        ahead = told - self.clock.now()
        # The header counts whole seconds, and was on its way: so near, our clock is as good.
        self._ahead = ahead if abs(ahead) > _AS_GOOD else timedelta()

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles in the project, where the sign-in tells them."""
        return self._auth.roles

    @property
    def project_id(self) -> str:
        """The ID of the project, signing in if need be."""
        return self.address().rpartition("/")[2]

    def probe(self, url: str) -> httpx.Response:
        """Return the answer to a bare GET, whatever its status; no token goes along."""
        request = httpx.Request("GET", url, headers={"Accept": "application/json"})
        return self._http.send(request, auth=None)

    def address(self, *, version: str | None = None) -> str:
        """Return the base of the project's volume API, signing in if need be.

        ``version`` (as ``v2``) takes the place of the one that it has.
        """
        if self._base is None:
            self._base = self._auth.volume_url(partial(self._http.send, auth=None))
        if version is None:
            return self._base
        root, _, project_id = self._base.rsplit("/", 2)
        return f"{root}/{version}/{project_id}"


def _require_same(answered: str, *, asked: str, doing: str) -> None:
    """Raise BadAnswerError unless the answer is about the ID that was asked for."""
    if answered.lower() != asked.lower():  # databases may ignore the case
        raise BadAnswerError(
            f"{doing}: the answer is about {answered[:64]!r}, and not about {asked!r}",
            hint="A proxy or the service mixes up answers: report it to the cloud's support.",
        )


def _segment(id_: str) -> str:
    """Return an ID as one segment of a path, never as a way to its parent or to a list."""
    if id_ in {"", ".", "..", "detail", "summary"}:
        raise NotFoundError(f"{id_!r} is no ID")
    return quote(id_, safe="", errors="replace")
