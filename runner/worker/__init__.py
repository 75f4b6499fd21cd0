"""The stages at work: they take, handle and settle deliveries.

    worker.py    all the stages of one process
    stage.py     one stage: its slots, and the deliveries that wait for one
    outcome.py   a handler's result or error → what becomes of the delivery
    first_failure.py  why a message failed for the first time, kept through later failures
    blackbox.py  what handlers had begun, where it outlives SIGKILL
    isolation.py one handler at work, and no other one in this process
    breaker.py   failures in a row → the stage pauses, and tries one message first
    held.py      keeps those stages paused that an operator has paused
    prefetch.py  how many messages a stage takes in advance
    stranded.py  deliveries that the broker lets go nowhere
    overdue.py   deliveries that a handler has been at work on for too long
    tapping.py   tells those who tap a stage what it deals with
    trial.py     one stage on one message, without a broker
    memory.py    what a worker has for its pipeline's ledger
    journal.py   writes what became of a delivery into the ledger, before it is settled
    telling.py   what a result tells, and which outcome that is
    once.py      a stage that runs once: what its handler may see
    reconcile.py asks what became of an attempt that is in doubt
    unsettled.py the words for what is in doubt

Left out: processes (`runner.processes`), and what a handler does.
"""
