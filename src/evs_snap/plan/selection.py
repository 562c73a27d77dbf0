"""Which disks the SELECT options mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from shlex import quote
from typing import TypeVar
from uuid import UUID

from evs_snap.errors import AmbiguousError, ConfigurationError, SelectionError
from evs_snap.plan.shards import Shard
from evs_snap.services.interface import Snapshot, Volume

R = TypeVar("R", "Volume", "Snapshot")

_BEGINNING = re.compile("[0-9a-f]{8}[0-9a-f-]{0,27}", re.IGNORECASE)
"""The first eight characters of an ID, or more. IDs are compared without regard to case."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The disks that the user asked for.

    These are the disks in ``volumes`` (names or IDs), and all disks that meet every criterion
    given. The criteria: the name is like one of ``match``; the disk is attached to one of
    ``servers``; it has one of ``metadata`` (a key, or a key and its value); it has each of
    ``tags`` (the same). ``everything`` means all disks. Disks whose name is like one of
    ``exclude``, or whose ID is one, are left out. Of the rest, the disks in ``shard`` are taken.
    An ID may be cut to its first eight characters or more, and is compared without case.
    """

    volumes: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str | None], ...] = ()
    tags: tuple[tuple[str, str | None], ...] = ()
    everything: bool = False
    exclude: tuple[str, ...] = ()
    shard: Shard | None = None

    def __post_init__(self) -> None:
        """Raise ConfigurationError for an empty value, and for a text where a list is meant."""
        for name in ("volumes", "match", "servers", "metadata", "tags", "exclude"):
            if not isinstance(getattr(self, name), tuple):
                raise ConfigurationError(
                    f"{name} {getattr(self, name)!r} is not a tuple",
                    hint=f"Write {name}=(VALUE,), also for one.",
                )
        for name in ("volumes", "match", "servers", "exclude"):
            if not all(isinstance(text, str) for text in getattr(self, name)):
                raise ConfigurationError(f"{name} {getattr(self, name)!r} is not a tuple of texts")
        for name in ("metadata", "tags"):
            if not all(map(_is_pair, getattr(self, name))):
                raise ConfigurationError(
                    f"{name} {getattr(self, name)!r} is not a tuple of pairs: a key, and a value "
                    "or None"
                )
        everything: object = self.everything
        if not isinstance(everything, bool):
            raise ConfigurationError(f"everything {everything!r} is not True or False")
        shard: object = self.shard
        if not (shard is None or isinstance(shard, Shard)):
            raise ConfigurationError(f"shard {shard!r} is not a Shard")
        refuse_empty("--volume", self.volumes)
        refuse_empty("--match", self.match)
        refuse_empty("--server", self.servers)
        refuse_empty("--with-metadata", (key for key, _ in self.metadata))
        refuse_empty("--with-tag", (key for key, _ in self.tags))
        refuse_empty("--exclude", self.exclude)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was asked for."""
        return not (self.volumes or self.has_criteria)

    @property
    def has_criteria(self) -> bool:
        """Whether disks are asked for by anything else than name or ID."""
        return bool(self.match or self.servers or self.metadata or self.tags or self.everything)


def _is_pair(pair: object) -> bool:
    if not (isinstance(pair, tuple) and len(pair) == 2):  # noqa: PLR2004 - a key and a value
        return False
    key, value = pair
    return isinstance(key, str) and (value is None or isinstance(value, str))


def refuse_empty(option: str, values: Iterable[str]) -> None:
    """Raise ConfigurationError if one of an option's values is empty.

    A disk's name can be empty in EVS, but an empty value is often a shell variable not set.
    """
    if not all(values):
        raise ConfigurationError(
            f"an empty value for {option}",
            hint="Perhaps a variable is not set. A disk or snapshot without a name is selected "
            "by its ID.",
        )


def select(volumes: Sequence[Volume], selection: Selection) -> list[Volume]:
    """Return the disks chosen, each once: first the named ones, in the order asked.

    Raises SelectionError for a name that no disk has, for criteria that no disk meets, and
    where all disks are excluded. Raises AmbiguousError for a name that means several disks.
    A shard may be empty.
    """
    named = [find(volumes, wanted) for wanted in selection.volumes]
    # With --exclude alone, what is left of all disks is meant.
    by_criteria = selection.has_criteria or selection.is_empty
    meeting = [v for v in volumes if _meets(v, selection)] if by_criteria else []
    if by_criteria and not meeting:
        raise SelectionError(
            f"none of the project's {len(volumes)} disks is selected",
            hint="`evs-snap volumes` lists them. Criteria given together must all be met.",
        )
    for wanted in selection.servers:
        servers = {s for v in volumes for s in v.attached_to if _is_beginning(wanted, s)}
        if len(servers) > 1:
            raise AmbiguousError(
                f"the IDs of {len(servers)} servers begin with {wanted!r}",
                details=tuple(sorted(servers)),
                hint="Write more of it.",
            )
    chosen = {v.id: v for v in (*named, *meeting) if not _is_excluded(v, selection)}
    if not chosen:
        raise SelectionError("every disk selected is excluded as well", hint="See --exclude.")
    return [v for v in chosen.values() if selection.shard is None or selection.shard.has(v.id)]


def called(rows: Sequence[R], wanted: str) -> list[R]:
    """Return the rows with this ID; else those with this name or with an ID that begins so.

    A beginning has eight characters or more. A name may be the beginning of another's ID: then
    it is not clear which is meant, and both are returned.
    """
    exact = [row for row in rows if row.id.lower() == wanted.lower()]
    return exact or [row for row in rows if row.name == wanted or _is_beginning(wanted, row.id)]


def are_set_called(snapshots: Sequence[Snapshot], wanted: str) -> bool:
    """Whether all have this name and were made in the same set; its members share a name."""
    sets = {snapshot.set_id for snapshot in snapshots}
    return len(sets) == 1 and None not in sets and all(s.name == wanted for s in snapshots)


def find(volumes: Sequence[Volume], wanted: str) -> Volume:
    """Return the one disk with this ID, or else this name, or this beginning of its ID.

    Raises SelectionError, and AmbiguousError with the IDs: EVS names are not unique.
    """
    found = called(volumes, wanted)
    if not found:
        names = {v.name for v in volumes if v.name}
        close = get_close_matches(wanted, names, n=3)
        meant = f"Did you mean {' or '.join(repr(n) for n in close)}? " if close else ""
        if any(fnmatchcase(name, wanted) for name in names):
            meant = f"A pattern goes with --match: --match {quote(wanted)}. "
        raise SelectionError(
            f"no disk has the name or ID {wanted!r}",
            hint=f"{meant}`evs-snap volumes` lists the disks of this project and region.",
        )
    if len(found) > 1:
        raise AmbiguousError(
            f"{len(found)} disks match {wanted!r}",
            details=tuple(f"{v.id}  {v.name or ''}  {v.size} GiB  {v.status}" for v in found),
            hint="Say which by its ID: --volume ID. To take them all: --match NAME.",
        )
    return found[0]


def _is_beginning(text: str, id_: str) -> bool:
    """Whether the text is the ID, or its first eight characters or more."""
    is_begun = _BEGINNING.fullmatch(text) is not None and id_.lower().startswith(text.lower())
    return is_begun or text.lower() == id_.lower()


def may_be_beginning(text: str) -> bool:
    """Whether the text may be the beginning of an ID, and is not a whole one."""
    return _BEGINNING.fullmatch(text) is not None and not is_id(text)


def is_id(text: str) -> bool:
    """Whether the text looks like an ID of this API: a UUID with hyphens."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _meets(volume: Volume, selection: Selection) -> bool:
    name = volume.name or ""
    if selection.match and not any(fnmatchcase(name, g) for g in selection.match):
        return False
    if selection.servers and not any(
        _is_beginning(wanted, server)
        for wanted in selection.servers
        for server in volume.attached_to
    ):
        return False
    tags = volume.tags or {}
    if not all(_carries(tags, key, value) for key, value in selection.tags):
        return False
    return not selection.metadata or any(
        _carries(volume.metadata, key, value) for key, value in selection.metadata
    )


def _carries(labels: Mapping[str, str], key: str, value: str | None) -> bool:
    return key in labels and value in {None, labels[key]}


def _is_excluded(volume: Volume, selection: Selection) -> bool:
    return any(_excludes(glob, volume) for glob in selection.exclude)


def _excludes(glob: str, volume: Volume) -> bool:
    return _is_beginning(glob, volume.id) or fnmatchcase(volume.name or "", glob)


def idle_exclusions(volumes: Sequence[Volume], selection: Selection) -> tuple[str, ...]:
    """Return the values of ``--exclude`` that none of the disks read has: perhaps mistyped."""
    return tuple(g for g in selection.exclude if not any(_excludes(g, v) for v in volumes))
