"""A pretend EVS: Keystone, Cinder and the gateway before them as one WSGI application.

Its disks are in a SQLite file. It imports nothing of evs_snap outside this package,
so that it can share no bug with the client it checks. Bodies, statuses and messages
are those of a real Keystone 30 and Cinder 29; where EVS differs and that hurts (seven
snapshots a disk, next links to an internal host, microversion 3.50), EVS wins.

Keystone stands under /identity and Cinder under /volume, as with devstack, and both
at the root, as with EVS; what names a project there is block storage, /v3 alone is
identity. /v2 has the same paths as /v3 and, of EVS's native ones, ``cloudvolumes`` and
``cloudsnapshots``: listed, shown, snapshots also made and deleted. Tokens and signatures
(SDK-HMAC-SHA256, with permanent and temporary keys) open all of them.

It leaves out:

- other users, roles, domains and projects; groups, backups, transfers, messages,
  types, images, rollback, tags (they are empty), v5, and all other native paths;
- renaming, extending and attaching disks, disks made from something else, and
  ``cascade`` on deletion;
- of snapshot metadata PUT and single keys;
- everything that needs a microversion: up to 3.50 they are accepted, and answered
  as 3.0 would be (no ``name~``, no ``with_count``, no filter by metadata);
- of signatures the older ``Credential=`` form, derived keys, unsigned payloads, the lock
  after five wrong ones, and issuing temporary keys;
- real time: a status is worked out from timestamps when asked, and an outcome is
  fixed when the work begins.

What it does not speak it refuses with a 404 that says so.
"""

from evs_snap.sandbox.app import Sandbox
from evs_snap.sandbox.rules import ACCOUNT, Account, Rules

__all__ = ["ACCOUNT", "Account", "Rules", "Sandbox"]
