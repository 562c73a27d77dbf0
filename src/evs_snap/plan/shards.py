"""Which of the selected disks this process works on, where several processes share the work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from evs_snap.errors import ConfigurationError

INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Set by Kubernetes for each pod of an Indexed Job, from 0 on.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
"""


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``index`` of ``count``; indexes are 0 to ``count`` - 1.

    Raises ConfigurationError for others: such a part would never have a disk.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Refuse a part that cannot be."""
        numbers: tuple[object, ...] = (self.index, self.count)
        is_whole = all(isinstance(n, int) and not isinstance(n, bool) for n in numbers)
        if not (is_whole and 0 <= self.index < self.count):
            raise ConfigurationError(
                f"shard {self.index!r} of {self.count!r}: the first number must be 0 or more, and "
                "less than the second"
            )

    def has(self, volume_id: str) -> bool:
        """Whether the disk belongs to this part. That depends on its ID and ``count`` alone."""
        digest = sha256(volume_id.encode(errors="surrogatepass")).digest()
        return int.from_bytes(digest[:8]) % self.count == self.index


def parse_shard(text: str, *, index: str | None) -> Shard:
    """Read ``I/N``, or ``/N`` where ``index`` gives I: the value of JOB_COMPLETION_INDEX.

    Raises ConfigurationError for anything else, and for an I that is not 0 to N - 1.
    """
    parts = re.fullmatch(r"([0-9]{1,9})?/([0-9]{1,9})", text.strip())
    if parts is None or not int(parts[2]):
        raise ConfigurationError(
            f"--shard {text!r} is not I/N",
            hint="For example 0/4, 1/4, 2/4 and 3/4 for four processes; /4 in a Kubernetes "
            f"Indexed Job, which sets {INDEX_VARIABLE}.",
        )
    given, count = parts[1] or (index or "").strip(), int(parts[2])
    if not given:
        raise ConfigurationError(
            f"--shard {text}: {INDEX_VARIABLE} is not set",
            hint=f"Kubernetes sets it in an Indexed Job. Elsewhere say which part: 0/{count}.",
        )
    if not re.fullmatch(r"[0-9]{1,9}", given) or int(given) >= count:
        source = "" if parts[1] else f", with {INDEX_VARIABLE}={given!r}"
        raise ConfigurationError(
            f"--shard {text}{source}: the first number must be 0 to {count - 1}",
            hint=f"It counts from 0, as {INDEX_VARIABLE} does.",
        )
    return Shard(int(given), count)
