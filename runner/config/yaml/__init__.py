"""YAML text → a document whose values know their places; and back.

    parser.py        text → document
    document.py      a document: values, their lines and columns
    syntax.py        what isn't YAML, in words
    scalars.py       a plain scalar → its value
    variables.py     ${NAME} → its value
    secret_files.py  a file that holds one value → its text
    writer.py        a value → YAML text that reads back as the same value

Left out: what the values mean.
"""
