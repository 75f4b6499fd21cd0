"""The stages at work: deliveries are taken, handled and settled.

    worker.py    all the stages that one process works at
    stage.py     one of them: its slots, and the deliveries that wait for one
    outcome.py   a handler's result or error → what becomes of the delivery
    prefetch.py  how many messages a stage takes in advance

Left out: processes (`runner.processes`), and what a handler does.
"""
