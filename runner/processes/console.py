"""The child processes that show a run, and do none of its work: the console, and health alone."""

from __future__ import annotations

import logging
import socket

from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.errors import StartError
from runner.observability import observers
from runner.pipeline import Console
from runner.ports import listening
from runner.processes.child import Supervision, nap, rest
from runner.processes.listeners import UNREAD, Listeners
from runner.processes.parts import Parts
from runner.topology import plan
from runner.wording import facts

log = logging.getLogger("runner.children")


def run_console(loaded: LoadedPipeline, parts: Parts, listeners: Listeners, supervision: Supervision) -> None:
    """Show this run to browsers until `Stop`."""
    console = parts.console
    assert console is not None
    listener = listeners.take("console") or _taken_over(console, supervision)
    from runner.console.serving import Served
    from runner.processes.telling import Latest

    broker = connect(loaded.pipeline, "console", observers.attach())
    latest = Latest(supervision.snapshots)
    served = Served(loaded, console, listener, broker, _needed(parts), supervision.children, lambda: latest.snapshot)
    latest.start()
    try:
        served.start()
        supervision.up()
        broker.start(plan(loaded.pipeline))
        rest()
    finally:
        served.stop()
        broker.close()


def run_health(loaded: LoadedPipeline, parts: Parts, listeners: Listeners, supervision: Supervision) -> None:
    """Report the health of this run until `Stop`, from its children and its own connection to the broker."""
    from runner.intake.health import HealthViews
    from runner.intake.reserve import Reserve, views

    listener = listeners.take("health")
    assert listener is not None
    broker = connect(loaded.pipeline, "health", observers.attach())
    try:
        Reserve(listener, views(HealthViews(loaded, broker, _needed(parts), lambda: _down(supervision)))).start()
        supervision.up()
        broker.start(plan(loaded.pipeline))
        rest()
    finally:
        broker.close()


def _taken_over(console: Console, supervision: Supervision) -> socket.socket:
    """The console's socket, when the run that has its address has ended: several parts of a pipeline on one
    machine share the file, and work without."""
    told = False
    while True:
        try:
            return listening(console.listen, "console: listen", "CONSOLE", unread=UNREAD)
        except StartError as error:
            if not told:
                log.warning("no console for now: %s", error, extra=facts(reason=error))
                supervision.up()
                told = True
            nap()


def _needed(parts: Parts) -> list[str]:
    """The queues that this run works with."""
    from runner.intake.health import published_to

    return [*(published_to(parts.intake) if parts.intake else ()), *(stage.consume for stage in parts.stages)]


def _down(supervision: Supervision) -> list[str]:
    return [f"{name} is not up" for name, up in supervision.children().items() if not up]
