"""Which processes there are, and keeping them alive.

    supervisor.py  child processes: started, watched, restarted, stopped in order
    child.py       a child process as it sees itself: its life, its reports, its end
    children.py    the kinds of children: intake, worker, mailbox
    console.py     those that show the run: the console, health
    parts.py       which parts of a pipeline a run starts
    pipes.py       lines through a pipe that blocks nobody
    telling.py     a child's counts on their way to the supervisor, and the sum to those that show it
    summing.py     the supervisor's sum of them
    ports.py       sockets that listen, or why they can't

Left out: what a child does once it runs.
"""
