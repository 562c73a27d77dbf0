"""What EVS calls a snapshot: the kinds of snapshots behind one interface, and the project's disks.

`interface` says what every kind does; each kind is a file that no other room imports by name.
Metadata, tags, ``force``, jobs and paths are known here alone.
"""
