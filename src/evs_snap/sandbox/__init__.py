"""A pretend EVS: Keystone and Cinder as one WSGI application over a SQLite file.

It imports nothing of evs_snap outside this package, so that it cannot share a bug with the
client that it checks. Bodies, statuses and messages are those of a real Keystone 30 and
Cinder 29. Where EVS differs and that hurts (seven snapshots a disk, next links to an
internal host, microversion 3.50), it does as EVS does.

It speaks what evs-snap sends, and what ``openstack`` sends for ``volume list``, ``show``,
``create`` (also from a snapshot), ``delete`` and ``volume snapshot create``, ``list``,
``show``, ``delete``. Of EVS's own paths it has the list of disks with their tags, one
snapshot, and rollback. Its second region (``STANDARD_REGION``) has Huawei's standard
snapshots, snapshot groups and jobs by the paths of v5; no new legacy snapshot can be made
there. Anything else is refused with a 404 or 400 that says so. Microversions up to 3.50 are
accepted and answered as 3.0. A status is worked out from the clock when somebody asks; there
are no timers.
"""

from evs_snap.sandbox.app import Sandbox
from evs_snap.sandbox.rules import ACCOUNT, REGIONS, STANDARD_REGION, Account, Rules

__all__ = ["ACCOUNT", "REGIONS", "STANDARD_REGION", "Account", "Rules", "Sandbox"]
