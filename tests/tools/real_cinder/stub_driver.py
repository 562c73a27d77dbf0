"""A driver for Cinder that keeps no bytes: all else about its volumes and snapshots is real."""

from __future__ import annotations

from typing import Any

from cinder.volume import driver  # type: ignore[import-not-found]


class StubDriver(driver.VolumeDriver):  # type: ignore[misc]  # Cinder has no types
    """Every change succeeds at once."""

    def _done(self, *_args: Any, **_options: Any) -> None:
        return None

    do_setup = check_for_setup_error = ensure_export = remove_export = _done
    create_volume = create_volume_from_snapshot = delete_volume = _done
    create_snapshot = delete_snapshot = revert_to_snapshot = _done

    def _update_volume_stats(self) -> None:
        self._stats = {
            "volume_backend_name": "stub",
            "vendor_name": "stub",
            "driver_version": "1",
            "storage_protocol": "stub",
            "total_capacity_gb": "infinite",
            "free_capacity_gb": "infinite",
            "reserved_percentage": 0,
        }
