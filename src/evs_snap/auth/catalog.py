"""The address of the volume service, from a Keystone catalog."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evs_snap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SERVICE_TYPES = ("volumev3", "evs", "block-storage", "volumev2", "volume")
"""Catalog types of EVS and Cinder, best first.

Source: https://service-types.openstack.org/service-types.json (block-storage and its
aliases); ``evs`` is what the vendors call it.
"""


def find_endpoint(catalog: object, *, region: str | None, interface: str) -> str:
    """Return the address of the best block storage entry in a Keystone catalog.

    Raises ConfigurationError where there is none, and where several regions have one and
    ``region`` is None.
    """
    found = list(_endpoints(catalog, interface=interface))
    for kind in SERVICE_TYPES:
        places = {place: url for service, place, url in reversed(found) if service == kind}
        if region is None and len(places) > 1:
            raise ConfigurationError(
                f"the project has disks in several regions: {_listed(places)}",
                hint="Choose one with OS_REGION_NAME or --os-region-name.",
            )
        for place in (region, "*") if region else places:
            if place in places:
                return places[place]
    if found:
        raise ConfigurationError(
            f"no block storage in region {region!r}",
            hint=f"Regions that have it: {_listed(place for _, place, _ in found)}. "
            "Set OS_REGION_NAME.",
        )
    raise ConfigurationError(
        f"the catalog has no {interface} block storage entry",
        hint="Set OS_VOLUME_ENDPOINT_OVERRIDE to the address of EVS, "
        "or check OS_INTERFACE and the user's rights.",
    )


def _listed(places: Iterable[str]) -> str:
    return ", ".join(sorted({place or "(none)" for place in places}))


def _endpoints(catalog: object, *, interface: str) -> Iterator[tuple[str, str, str]]:
    """Yield (service type, region, address) of each block storage entry; skip odd entries."""
    for service in catalog if isinstance(catalog, list) else []:
        if not isinstance(service, dict) or service.get("type") not in SERVICE_TYPES:
            continue
        endpoints = service.get("endpoints")
        for entry in endpoints if isinstance(endpoints, list) else []:
            if not isinstance(entry, dict) or entry.get("interface") != interface:
                continue
            # A region may be null: such an entry is for those who name no region.
            place, url = entry.get("region_id") or entry.get("region") or "", entry.get("url")
            if isinstance(url, str) and isinstance(place, str):
                yield str(service["type"]), place, url


def endpoint_base(url: str) -> str:
    """Remove version and project from an endpoint; scheme, host and prefix stay.

    Endpoints in catalogs end in ``/v2``, ``/v3/<project>``, ``$(tenant_id)s`` or nothing.
    """
    parts = urlsplit(url)
    kept = []
    for segment in parts.path.split("/"):
        if re.fullmatch(r"v\d(\.\d+)?", segment) or segment.startswith(("$(", "%(")):
            break
        if segment:
            kept.append(segment)
    return "/".join([f"{parts.scheme}://{parts.netloc}", *kept])
