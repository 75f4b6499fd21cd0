"""A word that you type at the prompt is a module here: `runner run` is `run.py`.

    run.py         starts what a file declares; banner.py is what it prints then
    reload.py      lets what runs take its file as it is now
    check.py       reports everything that is wrong with a file
    show.py        a file with every default filled in; drawing.py draws it on canvas.py,
                   mermaid.py for a document
    plan.py        what a file needs on its broker, compared with what is there
    apply.py       makes it so
    move.py        takes all messages from one broker to another
    send.py        publishes documents from a file: documents.py reads it, progress.py
                   shows the progress
    try_.py        one stage on one message, without a broker
    status.py      counts the messages on the queues
    tap.py         shows the messages of a stage as they pass
    pause.py       lets a stage take nothing
    resume.py      ends that
    doctor.py      whether everything is there that a file needs
    find.py        what became of a message: timeline.py tells it
    dead.py        shows dead letters, edits, replays and drops them: filters.py says which, with when.py
                   and recorded.py; letters.py prints them, deeds.py what is done to many,
                   editor.py edits one
    queue.py       shows, cancels and drains messages that wait
    ledger.py      how a message stands, and which messages something was recorded of
    apikeys.py     makes, lists and revokes the keys by which callers are known
    keys.py        makes, lists and changes the keys that seal
    token.py       makes a token for the console
    mail.py        reads the development mailbox
    new.py         writes a pipeline to start from
    schema.py      prints the JSON Schema of pipeline files
    loading.py     how a command gets its pipeline, and reports what is wrong with it
    terminal.py    how it prints: for people or programs, and tables, also where they are too wide
    connecting.py  how a command gets a broker

A new command is a module with a Click command of the same name, a row in `cli.py`, and a
section in `docs/commands.md`.
"""
