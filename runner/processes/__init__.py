"""Which processes there are, and that they live.

    supervisor.py  child processes, started, watched, started again, stopped in order
    children.py    the kinds of children: intake, worker, mailbox
    parts.py       which parts of a pipeline a run is for
    ports.py       whether an address can be listened on

Left out: what a child does, once it runs.
"""
