"""The console: the run, shown to a browser, and its health.

    serving.py   granian on a thread of the console's process, from its start to its end
    rsgi.py      a request → health, the live stream, or Flask
    app.py       the Flask app: its pages, and the headers of every answer
    overview.py  the first page: the pipeline at a glance
    run.py       what is shown: the pipeline, its broker, this run

Left out: who starts it (see `processes/console.py`).
"""
