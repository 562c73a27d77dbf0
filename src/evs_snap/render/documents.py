"""The JSON and YAML documents: the API's own names and values, complete; times RFC 3339 UTC."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

import pydantic_core

from evs_snap.errors import EvsSnapError, ServiceError
from evs_snap.render.text import rfc3339
from evs_snap.services.interface import Snapshot, Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from evs_snap.health.findings import Finding
    from evs_snap.health.freshness import Freshness
    from evs_snap.plan.slots import Usage
    from evs_snap.runs.record import Item, RunRecord

SCHEMA = "evs-snap/1"
_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]+")


def encoded(document: object, *, form: str, ascii_only: bool) -> str:
    """Write a document; ``form`` is ``json`` or ``yaml``, which hold the same keys and values.

    Characters that do not print are written as escapes; with ``ascii_only`` all beyond ASCII.
    """
    if form == "yaml":
        from evs_snap.render.yaml import to_yaml  # noqa: PLC0415 - YAML alone costs its import

        # What was read back from JSON holds no type, such as an enum, that YAML does not know.
        return to_yaml(json.loads(_json(document)), ascii_only=ascii_only)
    if isinstance(document, list) and document:
        # One row at a time: for a long list the encoder would hold each token in memory.
        rows = (_json(row).replace("\n", "\n  ") for row in document)
        text = "[\n  " + ",\n  ".join(rows) + "\n]\n"
    else:
        text = _json(document) + "\n"
    if text.isascii() and "\x7f" not in text:
        return text
    return _BEYOND_ASCII.sub(lambda run: _escaped(run[0], all_of_it=ascii_only), text)


def _json(value: object) -> str:
    try:
        return pydantic_core.to_json(value, indent=2).decode()  # json takes 15 times as long
    except pydantic_core.PydanticSerializationError:  # a lone surrogate, which UTF-8 cannot hold
        return json.dumps(value, indent=2, ensure_ascii=False)


def _escaped(text: str, *, all_of_it: bool) -> str:
    """Write characters as JSON escapes them: all, or those that do not print."""
    return "".join(
        c if c.isprintable() and not all_of_it else json.dumps(c)[1:-1].replace("\x7f", "\\u007f")
        for c in text
    )


def resource(row: Volume | Snapshot) -> dict[str, object]:
    """Return a disk or snapshot under the API's own keys; ``tags`` only where they were read."""
    document = row.model_dump(by_alias=True)
    if document.get("tags", "") is None:
        del document["tags"]
    document |= {k: rfc3339(v) for k, v in document.items() if isinstance(v, datetime)}
    if isinstance(row, Snapshot):
        document["policy"] = row.policy
        document["pinned_from"] = row.pinned_from
        document["kind"] = row.kind
        document["consistency"] = row.stamp.consistency if row.stamp else None
    return document


def volume_document(row: Usage) -> dict[str, object]:
    """Return a disk with its snapshot count, limit and newest snapshot's time."""
    return {
        **resource(row.volume),
        "snapshots": {"count": row.used, "limit": row.limit},
        "newest_snapshot_at": rfc3339(row.newest),
        "stored": row.stored,
    }


def finding_document(finding: Finding) -> dict[str, object]:
    """Return one step of `doctor`."""
    return {
        "step": finding.step,
        "result": str(finding.result),
        "detail": finding.detail,
        "fix": finding.fix or None,
        "exit_code": finding.exit_code,
    }


def snapshot_document(row: Snapshot, *, volume_name: str | None) -> dict[str, object]:
    """Return a snapshot with its disk's name, None where that has none."""
    return {**resource(row), "volume_name": volume_name}


def check_document(
    code: int,
    status: str,
    text: str,
    freshness: Freshness | None,
    error: EvsSnapError | None,
    pasteable: Callable[[str], str],
) -> dict[str, object]:
    """Return what `check` found out: the line that it prints, and each disk's state.

    ``pasteable`` makes the commands in a hint those of the cloud that was named.
    """
    return {
        "schema": SCHEMA,
        "command": "check",
        "exit_code": code,
        "status": status,
        "text": text,
        "items": [
            {
                "volume": resource(disk.volume),
                "status": disk.level.name,
                "reasons": [disk.trouble] if disk.trouble else [],
            }
            for disk in (freshness.disks if freshness else ())
        ],
        "error": error_document(error, pasteable),
    }


def record_document(record: RunRecord, pasteable: Callable[[str], str]) -> dict[str, object]:
    """Return a run's record. Scripts rely on it: fields are added, never renamed."""
    return {
        "schema": SCHEMA,
        "command": record.command,
        "exit_code": record.exit_code,
        "dry_run": record.dry_run,
        "changed": record.changed,
        "summary": record.summary,
        "spread_ms": record.spread_ms,
        "remark": record.remark or None,
        "items": [_item(item, pasteable) for item in record.items],
        "error": error_document(record.error, pasteable),
    }


def error_document(
    error: EvsSnapError | None, pasteable: Callable[[str], str]
) -> dict[str, object] | None:
    """Return an error with all that helps to act on it."""
    if error is None:
        return None
    service = error if isinstance(error, ServiceError) else None
    return {
        "message": error.message,
        "details": list(error.details),
        "hint": error.hint and pasteable(error.hint),
        "exit_code": error.exit_code,
        "retry": error.retry,
        "code": service.code if service else None,
        "status": service.status if service else None,
        "request_id": service.request_id if service else None,
    }


def _item(item: Item, pasteable: Callable[[str], str]) -> dict[str, object]:
    return {
        "volume": resource(item.volume) if item.volume else None,
        "action": str(item.action),
        "snapshot": resource(item.snapshot) if item.snapshot else None,
        "name": item.snapshot.name if item.snapshot else item.name,
        "reasons": list(item.reasons),
        "request_id": item.request_id,
        "error": error_document(item.error, pasteable),
    }
