"""`pipeline.yaml` → a pipeline whose handlers, schemas and routes are known to work.

loader.py      the way in: reads, checks and imports all that a file names
draft.py       a document → a pipeline, as far as it can be read
grammar.py     a document against `runner/pipeline.schema.json`, in words
checks.py      what is wrong in a pipeline that the grammar allows
flow.py        which way messages go: dead ends, cycles
graph.py       stages and queues as a graph
broker_url.py  the `broker` line
document.py    a YAML document whose every value knows where it stands
parser.py      text → document
syntax.py      what isn't YAML, in words
scalars.py     a plain scalar → its value
variables.py   ${NAME} → its value
yaml_text.py   a value → YAML text
"""
