"""Tells from a refusal's words whether a disk or project is full, or requests come too fast.

No vendor documents what EVS answers when a disk holds all the snapshots that it may. So the
words decide, and those of other clouds and of tools in front of a cloud are read too:
tests/samples/refusals.toml lists what was seen, with its source. A rate passes by itself and
a full disk does not: where both are spoken of, it is a rate.
"""

from __future__ import annotations

import re

_RATE = re.compile(
    r"""
    \b rate \s limit | ratelimit | throttl
    | \b rates? (\s\w+){0,5} \s (limit|exceed|high|too|quota) | rate \s? exceeded
    | (exceed|limit|maximum|high|reduce|lower) \w* (\s\w+){0,5} \s rates? \b
    | \b (request|call) s? \s (limit|quota)
    | (too \s many|exceed|limit|maximum|max|number|more) \w* (\s\w+){0,3}
      \s (requests|calls|operations) \b
    | \b (requests|calls|operations) (\s\w+){0,4} \s (exceed|limit|maximum|reached)
    | \b frequen (t|cy) | \b too \s (fast|quickly|often|soon) \b | \b slow \s down \b
    | \b (per|every|each|within|last|in) (\s(a|one|\d+))? \s (second|minute|hour|day) s? \b
    | / (s|sec|second|min|minute|h|hour) \b
    | \b flow \s control | \b [qtr]ps \b
    | concurren | simultaneous | \b in \s parallel \b | \b at \s (the \s same \s time|once) \b
    | 频繁 | 流控 | 限流 | 并发
    """,
    re.VERBOSE,
)
_FULL = re.compile(
    r"""
    exceed | limit | maxim | \b max \b | \b ceiling \b | \b cap \b | upper \s bound | allowance
    | threshold | exhausted | \b used \s up \b
    | \b reached \s (the|its|their|a|\d) | \b (has|have|been|is|was) \s reached \b
    | \b (no|any) \s (more|further|additional|other) \b
    | \b too \s many (\s\w+){0,2} \s snapshots \b | \b snapshots (\s\w+){0,3} \s too \s many \b
    | (?<! not \s) \b full \b (?! \s (snapshot|backup|cop))
    | \b (only|at \s most|up \s to|more \s than|greater \s than|already \s \w+) \s \d+ \b
    | \b (insufficient|not \s enough|no|free|available|out \s of) (\s\w+){0,2} \s (slot|snapshots)
    | \b slots (\s\w+){0,2} \s (used|taken|in \s use) \b
    | 上限 | 超[过出] | 已满 | 最[多大] | 不足
    """,
    re.VERBOSE,
)
_OF_SNAPSHOTS = re.compile(r"snapshot|快照|\b(7|256)\b")
_QUOTA = re.compile(r"quota|配额")

_OF_FIELDS = re.compile(
    r"\b(names?|descriptions?|metadata|tags?|labels?|keys?|propert(y|ies)|sizes?|lengths?|long"
    r"|(?<!no )longer|characters?|bytes|param(eter)?s?|integer|markers?|offsets?)\b"
)
_OF_RIGHTS = re.compile(
    r"invalid input|policy|permission|(not |un)authori"
    r"|\b(quer|get|read|fetch|updat)\w*( \w+){0,3} quota|quotas?( \w+){0,3} (fail|unavailable)"
)
_PASSES = re.compile(
    r"\brates?\b|bandwidth|throughput"
    r"|\bpending\b|\bin progress\b|\bbeing (created|made|taken|deleted)\b"
)


def is_of_rate(message: str) -> bool:
    """Return whether the message says that too much was asked for at a time."""
    return bool(_RATE.search(_words(message)))


def is_of_quota(message: str, *, of_numbers_alone: bool = False) -> bool:
    """Return whether the message says that a quota, or a disk's snapshots, are used up.

    ``of_numbers_alone`` asks for more than the word quota: that there are too many snapshots.
    """
    words = _words(message)
    if any(other.search(words) for other in (_OF_RIGHTS, _PASSES, _RATE)):
        return False
    if _QUOTA.search(words) and not of_numbers_alone:
        return True
    full = _OF_SNAPSHOTS.search(words) and _FULL.search(words)
    return bool(full) and not is_of_field(message)


def is_of_field(message: str) -> bool:
    """Return whether the message speaks of one value in the request, as a name too long."""
    return bool(_OF_FIELDS.search(_words(message)))


def _words(message: str) -> str:
    """Return the words in small letters, also those of ``SnapshotLimitExceeded``."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", message)
    return " ".join(re.sub(r"[_\-.,:;()'\"]", " ", apart).lower().split())
