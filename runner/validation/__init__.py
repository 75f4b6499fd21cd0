"""JSON Schemas: whether a body is valid, and if not, what is wrong with it.

    schema.py       a schema, compiled: the verdict, on the hot path
    violations.py   what is wrong with a body, in the words of a 422's errors
    diagnosis.py    finds it: a second validator, imported only for a body that was refused
    marks.py        which values of a body a schema marks as sensitive or forbidden
    forbidden.py    what is forbidden in a body, whichever branch of a schema says so
    subschemas.py   its subschemas, and where their $refs lead
    bundling.py     schemas as the components of one document
    resting.py      a schema for bodies whose sensitive values are sealed
    misspelling.py  keywords and formats in a schema that nothing checks

Left out: which schema a body has to satisfy (see `runner.routing`).
"""
