"""What EVS says, and how bytes travel: requests out, typed rows or one kind of error back.

No decision about disks and snapshots is made here, and nothing here knows how one signs
in: `identity` is the port that the room `auth` fills.
"""
