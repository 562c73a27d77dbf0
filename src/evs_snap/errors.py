"""All that can go wrong, each with the exit code it ends the program with.

::

    EvsSnapError                    1
    ├── ConfigurationError          2   settings or options that cannot work
    │   └── NoEndpointError             signed in, but no usable address of the volume service
    ├── SelectionError              5   no such disk, or nothing selected
    ├── AmbiguousError              5   one name, several disks
    ├── NotOursError                2   a snapshot that is not this tool's to delete
    ├── LockedError                11   another run is at work on the disk
    ├── InterruptedRunError       130   asked to stop (143 for SIGTERM)
    ├── VolumeStateError            1   the disk's or snapshot's status forbids it
    ├── LimitError                  6   the disk holds as many snapshots as it may
    ├── HoldError                   8   what was to be held was not; nothing was made
    ├── WaitTimeoutError            7   still in progress when the time was up
    ├── NotConsistentError          1   made, but not surely while what was to be held was held
    ├── SnapshotFailedError         1   the service made it, and it ended badly
    ├── RestoreFailedError          1   the service began to restore it, and that ended badly
    ├── UnreachableError            1   no answer from the service
    │   ├── NotSentError                the request never left
    │   └── AnswerLostError             it may have been carried out
    ├── BadAnswerError              1   an answer that is not this API's
    └── ServiceError                1   the service said no: code, status, request ID
        ├── SignInError             4   who are you?
        ├── PermissionDeniedError   4   you may not
        ├── WrongEndpointError      2   no such API there, or not this project's
        ├── NotFoundError           5   no such volume or snapshot
        ├── QuotaError              6   a limit or quota of the service's own
        ├── BusyError               1   somebody else makes a snapshot of this disk
        ├── ThrottledError          1   too many requests
        └── ServerError             1   5xx: it may have been carried out

Bugs are not in the tree: they stay what Python raised.
"""

from __future__ import annotations

from typing import ClassVar

RETRIED = frozenset({1, 7, 11, 129, 130, 143})
"""Exit codes after which trying again may help; code 3 depends on its items."""


class EvsSnapError(Exception):
    """What happened and why (the message), and what to do about it (the hint).

    ``details`` are lines that belong between the two, as a list of culprits. ``brief`` says the
    same in a few words, for a table; "" where the message itself is to stand there.
    """

    exit_code: ClassVar[int] = 1
    brief: str = ""
    sent: int = 0
    """How many times the request that failed may have reached the service.

    Counted over repetitions and renewals of the token: after more than one, a refusal does not
    prove that nothing was done. 0 proves it.
    """

    @property
    def retry(self) -> bool:
        """Whether the same command may succeed later, without anything being mended."""
        return self.exit_code in RETRIED

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: tuple[str, ...] = (),
        brief: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        if brief is not None:
            self.brief = brief


class ConfigurationError(EvsSnapError):
    """Settings or options are missing, contradict each other, or cannot work."""

    exit_code = 2


class NoEndpointError(ConfigurationError):
    """Signed in, but the catalog names no usable address of the volume service."""


class SelectionError(EvsSnapError):
    """Nothing in the project answers to what was asked for."""

    exit_code = 5


class AmbiguousError(EvsSnapError):
    """One name stands for several disks."""

    exit_code = 5


class NotOursError(EvsSnapError):
    """The snapshot is not this tool's to delete."""

    exit_code = 2
    brief = "not made by evs-snap"


class LockedError(EvsSnapError):
    """Another run on this machine is at work on the disk."""

    exit_code = 11
    brief = "another run is at work"


class InterruptedRunError(EvsSnapError):
    """A signal came before this step was begun."""

    exit_code = 130
    brief = "interrupted"


class VolumeStateError(EvsSnapError):
    """The status of the disk, or of its snapshot, forbids what is wanted; nothing was sent."""

    brief = "not in this state"


class LimitError(EvsSnapError):
    """The disk already holds as many snapshots as it may; nothing was sent."""

    exit_code = 6
    brief = "full"


class HoldError(EvsSnapError):
    """What was to be held or to stand still meanwhile was not; no snapshot was made."""

    exit_code = 8
    brief = "the hold failed"


class _EndedError(EvsSnapError):
    """How watching a snapshot or disk ended. ``seen`` is the last status that it was seen in."""

    def __init__(self, message: str, *, hint: str | None = None, seen: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.seen = seen


class WaitTimeoutError(_EndedError):
    """The time given for waiting is up; what was begun is left in progress."""

    exit_code = 7
    brief = "still in progress"


class SnapshotFailedError(_EndedError):
    """The service accepted the snapshot and could not make or keep it."""

    brief = "ended in error"


class NotConsistentError(EvsSnapError):
    """The snapshot is usable, but what was to be held was not surely held until it was."""

    brief = "not held until usable"


class RestoreFailedError(_EndedError):
    """The service accepted to make or to roll back the disk, and could not."""

    brief = "not restored"


class UnreachableError(EvsSnapError):
    """The service gave no answer."""

    brief = "no answer"
    sent = 1


class NotSentError(UnreachableError):
    """The request never left: no connection was made for it."""

    sent = 0


class AnswerLostError(UnreachableError):
    """The request left, the answer never came: it may have been carried out."""


class BadAnswerError(EvsSnapError):
    """The answer is not what the API promises: HTML, cut-off JSON, missing IDs."""

    brief = "unreadable answer"
    sent = 1


class ServiceError(EvsSnapError):
    """The service refused.

    ``status`` is the HTTP status, ``code`` the service's own code where it gave
    one (``EVS.5404``), ``request_id`` what its support will ask for, ``said`` its own words.
    """

    brief = "refused by the service"
    sent = 1
    said = ""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.request_id = request_id


class SignInError(ServiceError):
    """The credentials, or what came of them, were refused."""

    exit_code = 4
    brief = "sign-in refused"


class PermissionDeniedError(ServiceError):
    """Signed in, but not allowed to do this."""

    exit_code = 4
    brief = "not allowed"


class WrongEndpointError(ServiceError):
    """That address does not serve this API for this project."""

    exit_code = 2
    brief = "wrong endpoint"


class NotFoundError(ServiceError):
    """The service knows no such volume or snapshot."""

    exit_code = 5
    brief = "not found"


class QuotaError(ServiceError):
    """A limit or quota of the service's own; nothing was made."""

    exit_code = 6
    brief = "limit or quota of the service"


class BusyError(ServiceError):
    """Somebody else makes a snapshot of this disk; this request made none."""

    brief = "another snapshot is being made"


class ThrottledError(ServiceError):
    """Too many requests."""

    brief = "too many requests"


class ServerError(ServiceError):
    """The service failed (5xx); whether it acted first is not known."""

    brief = "the service failed"
