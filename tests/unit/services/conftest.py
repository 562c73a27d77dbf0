"""The service on the wire, as the tests of api play it."""

from __future__ import annotations

from tests.unit.api.conftest import _known, _service

__all__ = ["_known", "_service"]
