"""A change from gather to report, over many disks at a time; the only room with threads.

Each function of `rotation`, `by_name`, `pin` and `restore` reads what is there, lets the room
`plan` decide, carries the decisions out, and returns one run record. Nothing here decides what is
to be deleted, and nothing here prints.
"""
