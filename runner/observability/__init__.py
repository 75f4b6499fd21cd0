"""What the program says of itself while it runs.

observers.py  who watches the events (`runner.events`) of each process
log_lines.py  one that does: the lines of the log
logs.py       how a line looks, as text or as JSON
streams.py    standard streams that are closed, full, or lack a character
"""
