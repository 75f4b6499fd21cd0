"""The shipped pipeline under random trouble: every payment that it took has to be accounted for.

    python -m tests.chaos --broker embedded --minutes 2 --seed 7

    __main__.py  the command: what happens in which order
    house.py     the pipeline as a program of its own: its processes, its mails, its dead letters
    brokers.py   what it runs on: a file, a node of RabbitMQ, three of them
    cluster.py   three nodes on the loopback interface
    payers.py    those who pay all the while
    troubles.py  what goes wrong

Left out: what a message may contain, which the brokers' own tests are for.
"""
