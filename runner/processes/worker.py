"""The child process that handles messages."""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.observability import observers
from runner.processes.child import COLLECT, NAP, Supervision
from runner.processes.former_queues import warn_of_former_queues
from runner.processes.instruments import Instruments
from runner.processes.listeners import close_all
from runner.processes.parts import READY_POLL
from runner.topology import plan
from runner.wording import facts
from runner.worker.blackbox import BlackBox
from runner.worker.memory import memory_of

if TYPE_CHECKING:
    from runner.worker.worker import Worker

log = logging.getLogger("runner.children")

SWITCH = 0.0005
"""Seconds after which a thread that computes lets others have Python's lock. The ledger's thread needs it
again after each statement, and would wait ten times as long."""


def run_worker(
    loaded: LoadedPipeline,
    name: str,
    stages: Sequence[str],
    box: BlackBox,
    number: int,
    supervision: Supervision,
) -> None:
    """Handle deliveries until `Stop`, until a handler hangs, or until a successor is up; then finish
    what is in hand and ack it."""
    from runner.worker.tapping import Taps
    from runner.worker.worker import Worker

    close_all()
    box.enter(number)
    memory = memory_of(loaded.pipeline)
    if memory:
        sys.setswitchinterval(SWITCH)
        gc.set_threshold(COLLECT)
    instruments = Instruments(loaded.pipeline, name, stages=stages)
    events = observers.attach([*([memory.notes] if memory else []), *instruments.observers])
    if memory:
        memory.ledger.events = events
    broker = connect(loaded.pipeline, name, events)
    worker = Worker(loaded, broker, stages, events, box=box, replaceable=True, memory=memory)
    instruments.begin(supervision, broker, worker.states)
    finished = True
    try:
        if memory:
            memory.ledger.open()
        broker.start(plan(loaded.pipeline))
        if number == 0:
            warn_of_former_queues(loaded.pipeline, name)
        try:
            worker.start()
            broker.listen(Taps(name, worker.schemas, events).asked)
            work_until_stopped(worker, name, supervision)
        finally:
            finished = worker.stop(loaded.pipeline.shutdown_timeout)
    finally:
        if memory:
            memory.ledger.close(busy=not finished)
        broker.close()
        instruments.end()
        box.leave()


def work_until_stopped(worker: Worker, name: str, supervision: Supervision) -> None:
    """Returns when the process is to be replaced, or has a successor; raises `Stop`."""
    while not worker.ready:
        time.sleep(READY_POLL)
    supervision.up()
    while not worker.hung.wait(NAP) and not supervision.leaving:
        pass
    if supervision.leaving:
        worker.retire(supervision.left)
    if worker.hung.is_set():
        log.warning("%s is replaced, for it can't get rid of a handler that hangs", name, extra=facts(process=name))
        supervision.replace()
