"""The console: the run, shown to a browser, and its health.

    serving.py   granian on a thread of the console's process, from its start to its end
    rsgi.py      a request → health, the live stream, or Flask
    app.py       the Flask app: its pages, and the headers of every answer
    guard.py     what stands before every page: who asks, and from where
    access.py    who somebody is, and what they may do
    run.py       what is shown: the pipeline, its broker, this run
    figures.py   the figures of the live pages, by name; history.py has those of the last hour
    live.py      the live stream: figures to every browser that looks, bounded
    overview.py  the first page: graph.py draws the pipeline, as layout.py lays it out
    queue.py     the page of a queue and its stage
    waiting.py   messages that wait on one: looked at, cancelled, drained
    message.py   what became of a message
    pausing.py   pauses a stage, and resumes it
    dead.py      dead letters, to look at; chosen.py says which are meant
    deeds.py     replays and drops them; jobs.py does what takes longer, here and in waiting.py
    edit.py      edits the body of one
    trail.py     the audit trail
    mailbox.py   the development mailbox
    file.py      the file as it runs
    metrics.py   /metrics, for Prometheus

Pages are made from `templates/`; what they load is in `static/`. Left out: who starts it (see
`processes/console.py`).
"""
