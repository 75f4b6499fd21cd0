"""The embedded broker: a durable queue in a SQLite file, for the processes of one machine.

    url.py           `embedded:PATH`, checked and shown
    broker.py        the contract, as any thread may call it
    inbox.py         what threads ask for, until the broker's thread does it
    callbacks.py     what became of it, told on the loop of whoever asked
    service.py       that thread: opens the file, does turn after turn
    outage.py        whether it is available, told once when that changes
    housekeeping.py  what that thread does beside its turns
    turn.py          one transaction's work: settle, publish, take
    destinations.py  where a message goes in the file, and why it can't go there
    hand.py          what the process has in hand
    store.py         the file for one owner: its transactions, and its queues
    queue.py         a queue as a row
    messages.py      messages as rows: stored, delayed, taken in hand and settled
    owners.py        the processes that use the file, as rows
    view.py          what is in the file, for whoever only looks
    reading.py       rows → messages in hand, whatever is in them
    asking.py        a question to all workers, and their answers
    shelf.py         a queue under an operator's eyes
    checkup.py       is the file fit for a pipeline?
    survey.py        what is in the file, compared with a topology
    migration.py     why no queue in it has to be made anew
    books.py         the file's counts, corrected at the start
    file.py          the file itself: opened, checked, explained when it fails, kept small
    presence.py      which processes are alive, and how to wake them

Left out: more than one machine, which RabbitMQ is for.
"""
