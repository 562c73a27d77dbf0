"""What bounds a request: the moment of its end, the count of its tries, the size of its answer."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from evs_snap.api.http import httpx
from evs_snap.errors import BadAnswerError

DEADLINE = 120.0
"""Seconds from the beginning of a request to the end of its answer. A page of 1000 disks takes
about two."""

ENDS = "evs_snap.ends"
"""Request extension: the moment of ``Clock.monotonic`` at which the request ends."""

UNTIL = "evs_snap.until"
"""Request extension: the moment of ``Clock.monotonic`` at which the caller stops waiting.

Nothing is repeated from then on, and the request ends then, or after ``LEAST``.
"""

LEAST = 5.0
"""Seconds that a request is given, however near its ``UNTIL``. Cut off at once, it would be sent
without anybody to hear whether it was carried out."""

SENT = "evs_snap.sent"
"""Request and response extension: how many times the request may have reached the service.

Repetitions count, and those of a sign-in that renews a token and sends the same request again.
"""

LARGEST_ANSWER = 64 * 2**20
"""Bytes, unpacked."""

_STEP = 2**20
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS  # zlib tells from the first bytes which it is
_OF_THE_WIRE = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


def whole(
    send: Callable[[httpx.Request], httpx.Response],
    request: httpx.Request,
    *,
    largest: int = LARGEST_ANSWER,
) -> httpx.Response:
    """Send the request; return its answer with the body read and unpacked.

    The body is read here, so that a request whose body breaks off can be repeated. Raises
    BadAnswerError for a body that is damaged, or larger than ``largest`` bytes. An encoding that
    was not asked for is left as it is, and so is one encoding inside another.
    """
    response = send(request)
    size, parts = 0, []
    try:
        for part in _unpacked(response.iter_raw(), response.headers.get("Content-Encoding", "")):
            size += len(part)
            if size > largest:
                raise BadAnswerError(
                    f"the answer from {request.url.host} is larger than "
                    f"{largest // 2**20} MiB: that is not this API"
                )
            parts.append(part)
    except zlib.error as error:
        raise BadAnswerError(
            f"the answer from {request.url.host} cannot be unpacked: {error}",
            hint="A proxy on the way may have damaged it; try again later.",
        ) from error
    finally:
        response.close()
    headers = [(k, v) for k, v in response.headers.raw if k.lower() not in _OF_THE_WIRE]
    return httpx.Response(response.status_code, headers=headers, content=b"".join(parts))


def _unpacked(raw: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the body in steps of a bounded size: a kilobyte may unpack to half a gigabyte."""
    if encoding.strip().lower() not in _PACKED:
        yield from raw
        return
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    for packed in chain(raw, [b""]):
        rest = packed
        while part := unpacker.decompress(rest, _STEP):
            yield part
            rest = unpacker.unconsumed_tail
