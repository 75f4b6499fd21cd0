"""`pipeline.yaml` → a pipeline whose handlers, schemas and routes are known to work.

    loader.py      the way in: reads the file, and checks everything that it names
    grammar.py     a document against `runner/pipeline.schema.json`, in words
    draft.py       a document → a pipeline, as far as it can be read
    sections/      the larger sections of a file, one by one
    checks.py      what is wrong in a pipeline that the grammar allows
    limits.py      limits that contradict each other
    remembering.py is there a ledger for what is to be remembered?
    flow.py        where messages flow: dead ends, cycles
    sending.py     does a stage send its mails to the mailbox?
    sealing.py     can what schemas mark as sensitive be sealed?
    finding.py     can the fields be there that messages are found by?
    production.py  what is only for development
    graph.py       queues as a graph: which leads to which
    arrows.py      where each route leads; conditions.py is when, in words
    written.py     a pipeline → the text of its file, with every default and no secret
    yaml/          YAML text → a document whose values know their places

Left out: what a pipeline means (`runner.pipeline`), and anything on the network.
"""
