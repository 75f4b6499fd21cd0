"""Is everything that a pipeline needs there, and fit for it?

    examination.py  all examinations at once, each within its time
    queues.py       the queues of the broker, against the file
    handlers.py     what handlers say themselves: the mail server, for one
    remembered.py   the ledger, and the keys
    clock.py        whether anything keeps the clock right
    machine.py      addresses, disks, open files

Each looks, and changes nothing. Left out: the file itself ('runner check'), and how findings are shown.
"""
