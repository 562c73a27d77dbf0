"""What a pin relies on: labels of a snapshot can be replaced, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.factories import made_past

from evs_snap import Stamp, pin_snapshots, unpin_snapshots

if TYPE_CHECKING:
    from tests.conftest import Cloud


def test_a_pin_is_kept_where_snapshots_are_kept(cloud: Cloud) -> None:
    """On a real Cinder too: the call that labels replaces the policy, and leaves the rest."""
    made = made_past(cloud.client, cloud.volume(), "to-pin", Stamp("key-1", "weekly"))
    cloud.until(lambda: cloud.client.snapshot(made).is_usable)
    assert pin_snapshots(cloud.client, made).exit_code == 0
    pinned = cloud.client.snapshot(made)
    assert (pinned.policy, pinned.pinned_from, pinned.key) == ("pinned", "weekly", "key-1")
    assert unpin_snapshots(cloud.client, made).exit_code == 0
    assert cloud.client.snapshot(made).policy == "weekly"
