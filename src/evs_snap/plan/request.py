"""All that a user may say of a run, checked as soon as it is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypedDict

from evs_snap.errors import ConfigurationError
from evs_snap.plan.naming import DEFAULT_TEMPLATE, LONGEST_DESCRIPTION, LONGEST_NAME, Template
from evs_snap.plan.retention import Keep
from evs_snap.plan.selection import Selection, refuse_empty
from evs_snap.services.interface import (
    DEFAULT_POLICY,
    MANUAL_POLICY,
    PINNED_POLICY,
    SAFETY_POLICY,
)

Period = Literal["hour", "day", "week"]
OnLimit = Literal["fail", "replace"]
Command = Literal["create", "rotate", "prune", "delete", "wait", "restore", "pin", "unpin"]

BUCKETS: Mapping[str, str] = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%G-W%V"}
"""--once-per: the periods (UTC) of which each gets one snapshot."""

RESERVED_PREFIXES = ("evs_snap_", "__system__")
_OF_DISKS = frozenset({"create", "rotate", "prune"})
_MOST_THREADS = 64
_LONGEST_WAIT = 100 * 365 * 86400.0


class CreateWords(TypedDict, total=False):
    """What may be said of ``create`` and ``rotate``: the fields of Request of these names."""

    name: str
    description: str | None
    properties: Mapping[str, str]
    policy: str | None
    once_per: Period | None
    limit: int | None
    on_limit: OnLimit
    keep: Keep | None
    wait: bool
    timeout: float | None
    expire_after: float | None
    hold: str | None
    hold_for: float
    together: bool
    parallel: int
    lock_wait: float
    dry_run: bool


class PruneWords(TypedDict, total=False):
    """What may be said of ``prune``."""

    policy: str | None
    limit: int | None
    parallel: int
    lock_wait: float
    dry_run: bool


class DeleteWords(TypedDict, total=False):
    """What may be said of ``delete``."""

    foreign: bool
    parallel: int
    lock_wait: float
    dry_run: bool


class RestoreWords(TypedDict, total=False):
    """What may be said of ``restore``."""

    as_name: str | None
    in_place: bool
    size: int | None
    type: str | None
    properties: Mapping[str, str]
    safety_snapshot: bool
    wait: bool
    timeout: float | None
    lock_wait: float
    dry_run: bool


_PIN = frozenset({"snapshots", "lock_wait"})
TAKEN: Mapping[Command, frozenset[str]] = {
    "create": frozenset({"selection", *CreateWords.__annotations__}),
    "rotate": frozenset({"selection", *CreateWords.__annotations__}),
    "prune": frozenset({"selection", "keep", *PruneWords.__annotations__}),
    "delete": frozenset({"snapshots", *DeleteWords.__annotations__}),
    "restore": frozenset({"snapshots", *RestoreWords.__annotations__}),
    "wait": frozenset({"snapshots", "timeout"}),
    "pin": _PIN,
    "unpin": _PIN,
}
"""What may be said of each command: names of fields of Request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A run as it was asked for. Raises ConfigurationError for what cannot work.

    The options of the command line and the library's keywords have the names of the fields.
    Which disks: ``selection``; which snapshots: ``snapshots`` (IDs or names), for `delete`,
    `wait` and `restore`. ``limit`` is how many snapshots a disk may hold; with ``on_limit``
    "replace" a full disk's oldest own snapshot is deleted first. With ``keep`` what the rules
    give up is deleted. ``timeout`` and ``lock_wait`` are seconds, ``size`` is GiB, ``parallel``
    is how many disks are worked on at a time. ``expire_after`` are the seconds after which the
    service deletes a snapshot by itself, where its kind can. ``type`` is that of a disk made of
    a snapshot whose own disk is gone. With ``dry_run`` the plan is the result. ``hold`` is
    a command that holds something until the snapshots are usable, for at most ``hold_for``
    seconds: see runs.holds. ``together`` takes all disks at one instant, as a set, or none.
    """

    command: Command
    selection: Selection = field(default_factory=Selection)
    snapshots: tuple[str, ...] = ()
    name: str = DEFAULT_TEMPLATE
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    policy: str = DEFAULT_POLICY
    once_per: Period | None = None
    limit: int = 7
    on_limit: OnLimit = "fail"
    keep: Keep | None = None
    wait: bool = True
    timeout: float = 900.0
    expire_after: float | None = None
    hold: str | None = None
    hold_for: float = 30.0
    together: bool = False
    parallel: int = 4
    lock_wait: float = 0.0
    dry_run: bool = False
    foreign: bool = False
    as_name: str | None = None
    in_place: bool = False
    size: int | None = None
    type: str | None = None
    safety_snapshot: bool = True

    def __post_init__(self) -> None:
        """Check each value for itself, then those that must fit each other."""
        _check_values(self)
        object.__setattr__(
            self, "properties", dict(self.properties)
        )  # the caller may change its own
        Template(self.name)
        check_properties(self.properties)
        if self.command in _OF_DISKS:
            _check_disks(self)
        else:
            _check_snapshots(self)
        if self.command == "restore":
            _check_restore(self)

    @property
    def replace(self) -> bool:
        """Whether a full disk's oldest own snapshot is deleted first."""
        return self.on_limit == "replace"

    def bucket(self, now: datetime) -> str | None:
        """Return the period that ``now`` lies in, or None without --once-per."""
        return now.astimezone(UTC).strftime(BUCKETS[self.once_per]) if self.once_per else None


def check_properties(properties: Mapping[str, str]) -> None:
    """Raise ConfigurationError for what is no text, and for keys that are ours or the service's."""
    for key, value in properties.items():
        if not all(isinstance(text, str) for text in (key, value)):
            raise ConfigurationError(f"properties: {key!r} = {value!r} is not text")
        if not key or key.startswith(RESERVED_PREFIXES):
            raise ConfigurationError(
                f"--property {key!r}: such keys are reserved",
                hint=f"Choose one that does not begin with {' or '.join(RESERVED_PREFIXES)}.",
            )


def check_policy(policy: str) -> None:
    """Raise ConfigurationError for a policy that cannot be stored with a snapshot."""
    if not policy or policy != policy.strip() or not policy.isprintable():
        raise ConfigurationError(f"--policy {policy!r} is empty, padded or unprintable")


def check_rules(keep: Keep, *, limit: int) -> None:
    """Raise ConfigurationError, with the sum, for rules that could fill a disk one day.

    They may hold ``limit`` less the slot that the next snapshot needs.
    """
    if keep.most < limit:
        return
    given = [f"{count} {name}" for name, count in keep.counts if count]
    once = ", the newest counted once" if len(given) > 1 else ""
    raise ConfigurationError(
        f"the KEEP rules cannot fit: {' + '.join(given)} can hold {keep.most} snapshots{once}; "
        f"a disk holds {limit}, and the next one needs a slot",
        hint=f"Keep at most {limit - 1} in all, or say with --limit what this cloud allows.",
    )


def _check_values(request: Request) -> None:
    """Raise ConfigurationError for a value of the wrong kind or outside its range."""
    for name in ("name", "policy"):
        _require(isinstance(getattr(request, name), str), request, name, "a text")
    for name in ("description", "as_name", "hold", "type"):
        value = getattr(request, name)
        _require(value is None or isinstance(value, str), request, name, "a text")
    for name in ("wait", "dry_run", "foreign", "in_place", "safety_snapshot", "together"):
        _require(isinstance(getattr(request, name), bool), request, name, "True or False")
    for name in ("timeout", "lock_wait", "hold_for"):
        _require(_is_span(getattr(request, name)), request, name, "a number of seconds, 0 or more")
    _require(
        request.expire_after is None or _is_span(request.expire_after),
        request, "expire_after", "a number of seconds, 0 or more",
    )  # fmt: skip
    _require(_is_count(request.limit), request, "limit", "a whole number, 1 or more")
    _require(
        _is_count(request.parallel) and request.parallel <= _MOST_THREADS,
        request, "parallel", f"a whole number from 1 to {_MOST_THREADS}",
    )  # fmt: skip
    _require(
        request.size is None or _is_count(request.size), request, "size", "a whole number of GiB"
    )
    # Tuples, not sets: a list, say, cannot be looked up in a set.
    known = ", ".join(BUCKETS)
    _require(request.once_per in (None, *BUCKETS), request, "once_per", f"one of {known}")
    _require(request.on_limit in ("fail", "replace"), request, "on_limit", "fail or replace")
    _require(isinstance(request.properties, Mapping), request, "properties", "a mapping of texts")
    _require(
        request.keep is None or isinstance(request.keep, Keep), request, "keep", "KEEP rules (Keep)"
    )
    _require(isinstance(request.selection, Selection), request, "selection", "a Selection")


def _require(holds: bool, request: Request, name: str, wanted: str) -> None:  # noqa: FBT001
    if not holds:
        raise ConfigurationError(f"{name} {getattr(request, name)!r} is not {wanted}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_span(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= _LONGEST_WAIT


def _check_disks(request: Request) -> None:
    if request.selection.is_empty:
        raise ConfigurationError(
            "no disk is asked for",
            hint="Say which disks: a name or ID (also as --volume NAME), --match GLOB, "
            "--server ID, --with-tag K=V, --with-metadata K=V or --all.",
        )
    check_policy(request.policy)
    if request.hold is not None:
        _check_hold(request, request.hold)
    if request.together:
        _check_together(request)
    if len(request.description or "") > LONGEST_DESCRIPTION:
        raise ConfigurationError(
            f"--description has more than {LONGEST_DESCRIPTION} characters, "
            "the most that all EVS clouds take"
        )
    _check_policy(request)
    keep = request.keep
    if request.command != "create" and (keep is None or keep.is_empty):
        raise ConfigurationError(
            f"{request.command} needs a rule that keeps something",
            hint="Say what to keep: --keep-last N, --keep-daily N, ...",
        )
    if request.command == "rotate" and keep is not None:
        check_rules(keep, limit=request.limit)
        if not request.wait:
            raise ConfigurationError(
                "rotate must wait: it deletes only once the new one is usable",
                hint="Leave out --no-wait; `create` takes it.",
            )


def _check_policy(request: Request) -> None:
    """Raise ConfigurationError for a label whose snapshots the command may not make or delete."""
    if request.policy == PINNED_POLICY:
        raise ConfigurationError(
            f"--policy {PINNED_POLICY} is that of pinned snapshots: no rule reaches them",
            hint="`evs-snap pin ID` puts a snapshot out of reach, and `evs-snap unpin ID` back.",
        )
    if request.policy == SAFETY_POLICY and (request.command != "create" or request.replace):
        raise ConfigurationError(
            f"--policy {SAFETY_POLICY} is that of the snapshots that restore takes first: no rule "
            "deletes them",
            hint="Delete them by their IDs: `evs-snap delete ID`.",
        )
    if request.policy == MANUAL_POLICY and request.command == "rotate":
        raise ConfigurationError(
            f"--policy {MANUAL_POLICY} is that of the snapshots that people take: no rotation "
            "deletes them",
            hint="Choose another label, or none.",
        )


def _check_together(request: Request) -> None:
    if "id" in Template(request.name).fields:
        raise ConfigurationError(
            f"--name {request.name!r}: a set has one name, and so not the ID of a disk",
            hint="{volume} is the policy there.",
        )
    if request.expire_after is not None:
        raise ConfigurationError(
            "--together and --expire-after contradict each other: the service takes no such date "
            "for a set",
            hint="`rotate` deletes a set once its rules give it up.",
        )


def _check_hold(request: Request, command: str) -> None:
    if not command.strip() or "\0" in command:
        raise ConfigurationError(f"--hold {command!r} is no command")
    if request.hold_for <= 0:
        raise ConfigurationError("--hold-for 0s holds nothing")
    if not request.wait:
        raise ConfigurationError("--hold and --no-wait contradict each other: it holds until the "
                                 "snapshots can be used")  # fmt: skip


def _check_snapshots(request: Request) -> None:
    is_tuple = isinstance(request.snapshots, tuple)
    if not is_tuple or not all(isinstance(text, str) for text in request.snapshots):
        raise ConfigurationError(f"snapshots {request.snapshots!r} are not IDs or names")
    if not request.snapshots:
        raise ConfigurationError("no snapshot is asked for", hint="Name one by its ID or name.")
    refuse_empty("SNAPSHOT", request.snapshots)


def _check_restore(request: Request) -> None:
    name = request.as_name
    if (name is not None) is request.in_place:
        raise ConfigurationError(
            "restore as a new disk, or in place: one of the two",
            hint="Say how: --as NAME for a new disk, or --in-place.",
        )
    if name is None:
        if request.size is not None or request.type or request.properties or not request.wait:
            raise ConfigurationError("--size, --type, --property and --no-wait go with --as")
        return
    if not request.safety_snapshot:
        raise ConfigurationError("--no-safety-snapshot goes with --in-place: --as loses nothing")
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise ConfigurationError(
            f"--as {name!r} is empty, unprintable or longer than {LONGEST_NAME} characters"
        )
