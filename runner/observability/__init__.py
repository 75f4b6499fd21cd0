"""What the program says about itself while it runs.

observers.py  what observes the events (`runner.events`) of each process
log_lines.py  one that does: the lines of the log
logs.py       how a line looks, as text or as JSON
streams.py    standard streams that are closed, full, or lack a character
"""
