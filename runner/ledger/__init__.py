"""What is remembered of messages, beyond the broker: in SQLite, or in PostgreSQL for several machines.

    url.py       which database a URL names
    tables.py    the tables, and their versions
    database.py  connections and transactions; all that differs between the databases
    patience.py  an end to reads from a server that does not answer
    writer.py    one thread that writes whatever has come together in one transaction
    condition.py how a ledger stands, for whoever only looks
    holders.py   which processes are alive that hold messages
    upsert.py    an INSERT of many rows in one statement
    hops.py      a copy of a message on a queue: its states, as rows
    journey.py   all hops of one message, and how it stands
    interventions.py  what an operator does to a copy of a message, in its journey
    lineage.py   queues that copies of one message reach in several ways
    renaming.py  copies on a queue that was renamed
    once.py      which deliveries were handled before, or may have been
    terms.py     what a message is found by, as keyed hashes
    requests.py  idempotency keys
    late.py      outcomes that may come in several ways: who tells each, and whether a late answer has come
    sealed.py    which results are sealed with a key
    apikeys.py   API keys, and who is known by them
    rates.py     how many requests of a caller were let through lately
    pauses.py    stages that an operator has paused
    purge.py     forgetting, in small steps
    ledger.py    all of it, for one process

A pipeline without `ledger` imports nothing of this. Left out: when something is written (see
`worker.journal`, `worker.once` and `intake`).
"""
