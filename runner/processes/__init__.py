"""Which processes there are, and keeping them alive.

    supervisor.py     child processes: started, watched, restarted, stopped in order
    process.py        a child process as its supervisor sees it
    child.py          a child process as it sees itself: its life, its reports, its end
    children.py       the kinds of children, and which of them a run has
    intake.py         the one that takes requests
    worker.py         the ones that handle messages
    console.py        those that show the run: the console, health
    alerting.py       the one that tells people what needs them
    former_queues.py  what lies under queues' former names, of which a run warns
    makings.py        what each kind depends on
    parts.py          which parts of a pipeline a run starts
    listeners.py      the sockets of these parts
    instruments.py    what a child is observed with: its counts, and OpenTelemetry
    pipes.py          lines through a pipe that blocks nobody
    telling.py        a child's counts on their way to the supervisor, and the sum to those that show it
    summing.py        the supervisor's sum of them
    reload.py         the pipeline, loaded again when it has changed; watch.py notices that
    exchange.py       tries it out, starts its children, lets them take over;
                      succession.py says which those are
    runs.py           how a command finds what runs

Left out: what a child does once it runs.
"""
