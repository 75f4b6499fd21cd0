"""The shipped pipeline under random trouble: every payment is charged once, and every payer gets one mail.

    python -m tests.chaos --broker embedded --ledger sqlite --minutes 2 --seed 7
    python -m tests.chaos --broker rabbitmq --ledger postgresql --payments 10000

    __main__.py    the command: what happens in which order
    house.py       the pipeline as a program of its own: its processes, its mails, its charges
    brokers.py     what it runs on: a file, a node of RabbitMQ, three of them
    cluster.py     three nodes on the loopback interface
    ledgers.py     what it remembers in: a file, PostgreSQL
    payers.py      those who pay all the while, and ask again until they are answered
    troubles.py    what goes wrong
    accounting.py  what was promised, against what has happened

Left out: what a message may contain, which the brokers' own tests are for.
"""
