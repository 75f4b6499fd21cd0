"""What the program tells of itself.

observers.py  who watches the events (`runner.events`) of each process
log_lines.py  one that does: the lines of the log
logs.py       how a line looks, as text or as JSON
"""
