"""What the program says about itself while it runs.

observers.py  what observes the events (`runner.events`) of each process
log_lines.py  one that does: the lines of the log
counts.py     another: what a process has counted
snapshot.py   what a run has done so far, in numbers, of each process and in sum
histogram.py  how long something took, many times
families.py   families of metrics
exporting.py  OpenTelemetry's providers, as the environment configures them
exposition.py  the same as Prometheus and OpenMetrics read it
opentelemetry.py  spans and durations, for OpenTelemetry
ages.py       for how long messages have lain on queues
logs.py       how a line looks, as text or as JSON
streams.py    standard streams that are closed, full, or lack a character
"""
