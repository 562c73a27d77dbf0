"""The address of the volume service, from a Keystone catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from evs_snap.errors import NoEndpointError

SERVICE_TYPES = ("volumev3", "evs", "block-storage", "volumev2", "volume")
"""Catalog types of EVS and Cinder, best first.

Source: https://service-types.openstack.org/service-types.json (block-storage and its
aliases); ``evs`` is what the vendors call it.
"""

_PROJECT = re.compile(r"(AUTH_)?[0-9a-f]{32}|[$%]\(\w+\)s")
"""A project's ID, or the place of it, at the end of an endpoint."""


def find_endpoint(
    catalog: object,
    *,
    region: str | None,
    interface: str,
    service_type: str | None = None,
    service_name: str | None = None,
) -> str:
    """Return the address of the best block storage entry in a Keystone catalog.

    ``service_type`` and ``service_name`` leave only the entries of that type or name. Raises
    NoEndpointError where there is none, and where several regions have one and ``region`` is
    None.
    """
    types = (service_type,) if service_type else SERVICE_TYPES
    found = list(_endpoints(catalog, interface=interface, types=types, name=service_name))
    for kind in types:
        places = {place: url for service, place, url in reversed(found) if service == kind}
        if region is None and len(places) > 1:
            raise NoEndpointError(
                f"the project has disks in several regions: {_listed(places)}",
                hint="Choose one with --os-region-name (or OS_REGION_NAME).",
            )
        for place in (region, "*") if region else places:
            if place in places:
                return places[place]
    if found:
        raise NoEndpointError(
            f"no block storage in region {region!r}",
            hint=f"Regions that have it: {_listed(place for _, place, _ in found)}. "
            "Choose one with --os-region-name (or OS_REGION_NAME).",
        )
    only = [part for part in (service_type, service_name) if part]
    wanted = f" (only {', '.join(map(repr, only))} is looked for)" if only else ""
    raise NoEndpointError(
        f"the catalog has no {interface} block storage entry{wanted}",
        hint="Set OS_VOLUME_ENDPOINT_OVERRIDE to the address of EVS (for a cloud of clouds.yaml, "
        "volume_endpoint_override in its entry), or check interface and rights.",
    )


def _listed(places: Iterable[str]) -> str:
    return ", ".join(sorted({place or "(none)" for place in places}))


def _endpoints(
    catalog: object, *, interface: str, types: tuple[str, ...], name: str | None
) -> Iterator[tuple[str, str, str]]:
    """Yield (service type, region, address) of each entry of these types; skip odd entries."""
    for service in catalog if isinstance(catalog, list) else []:
        if not isinstance(service, dict) or service.get("type") not in types:
            continue
        if name and service.get("name") != name:
            continue
        endpoints = service.get("endpoints")
        for entry in endpoints if isinstance(endpoints, list) else []:
            if not isinstance(entry, dict) or entry.get("interface") != interface:
                continue
            # A region may be null. Such an entry is used where no region is named.
            place, url = entry.get("region_id") or entry.get("region") or "", entry.get("url")
            if isinstance(url, str) and isinstance(place, str):
                yield str(service["type"]), place, url


def endpoint_base(url: str, *, project_id: str | None = None) -> str:
    """Remove version and project from the end of an endpoint; scheme, host and prefix stay.

    Endpoints in catalogs end in ``/v2``, ``/v3/<project>``, ``/v3/$(tenant_id)s`` or nothing. A
    prefix is kept as it is, even where a part of it looks like a version.
    """
    parts = urlsplit(url)
    path = [segment for segment in parts.path.split("/") if segment]
    if path and (path[-1] == project_id or _PROJECT.fullmatch(path[-1])):
        path.pop()
    if path and re.fullmatch(r"v\d(\.\d+)?", path[-1]):
        path.pop()
    return "/".join([f"{parts.scheme}://{parts.netloc}", *path])
