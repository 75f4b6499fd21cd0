"""The sections of a pipeline file, read into the values of a pipeline.

    values.py    the values of a document, one by one
    formats.py   values that are written as text: how each is read
    publish.py   the routes of a stage or of an HTTP route
    http.py      the intake
    stages.py    the stages, and their defaults
    watching.py  the mailbox, the console, alerts

Left out: a pipeline as a whole (`runner.config.draft`).
"""
