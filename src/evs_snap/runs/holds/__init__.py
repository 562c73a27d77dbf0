"""What is held while snapshots are taken: a command's hold, and file systems that stand still.

Nothing here knows of disks, snapshots or the cloud.
"""
