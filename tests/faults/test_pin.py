"""`pin` where the cloud does not do what it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Run
    from tests.faults.conftest import Service

pytestmark = pytest.mark.usefixtures("online")

REFUSED = b'{"error": {"code": "EVS.5403", "message": "metadata can not be operated"}}'


@pytest.mark.parametrize(
    ("how", "body", "exit_code", "told"),
    [
        (403, REFUSED, 4, ("EVS.5403", "restore ID --as NAME")),
        ("nothing", None, 1, ("the answer is no JSON object",)),
    ],
)
def test_a_pin_that_is_not_written_is_no_pin(
    service: Service,
    run: Run,
    how: int | str,
    body: bytes | None,
    exit_code: int,
    told: tuple[str, ...],
) -> None:
    service.disk("d1")
    made = run("create d1 -f value -c ID").ids[0]
    service.mishap("POST snapshots/ID/metadata", how, times=99, acts=False, body=body)
    said = run(f"pin {made}", exit_code=exit_code).stderr
    assert all(words in said for words in told), said
    assert run("snapshots d1 -f value -c Policy").stdout == "manual\n"
