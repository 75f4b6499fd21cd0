"""The kinds of child processes of `runner run`: intake, worker, mailbox; those that show the run are in `console`.

Each is built after the fork from the pipeline that the supervisor loaded, and imports only
what it needs: a worker pays nothing for the HTTP server. What several need is imported before.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.errors import RunnerError
from runner.observability import observers
from runner.pipeline import Alerts, Http, Mailbox
from runner.processes import makings
from runner.processes.child import LEAVE, NAP, Child, Supervision, rest
from runner.processes.console import run_console, run_health
from runner.processes.former_queues import warn_of_former_queues
from runner.processes.instruments import Instruments
from runner.processes.listeners import Listeners, close_all
from runner.processes.parts import READY_POLL, Parts
from runner.topology import plan
from runner.wording import facts
from runner.worker.blackbox import BlackBox
from runner.worker.memory import ledger_of, memory_of

if TYPE_CHECKING:
    from runner.intake.serving import IntakeServer
    from runner.ledger.ledger import Ledger
    from runner.worker.worker import Worker

log = logging.getLogger("runner.children")

SWITCH = 0.0005
"""Seconds after which a thread that computes lets others have Python's lock. The ledger's thread needs it
again after each statement, and would wait ten times as long."""
COLLECT = 20_000
"""Objects that come to be before Python looks for those that only hold each other, of which we make none. All
that is in hand is looked at, too: hundreds of deliveries, each with what the ledger is to know of it."""


def children(loaded: LoadedPipeline, parts: Parts, listeners: Listeners, *, processes: int = 1) -> list[Child]:
    """The children that `runner run` starts: those for `parts`, with so many worker processes."""
    _import_shared(loaded, parts)
    found: list[Child] = []
    if parts.mailbox is not None:
        run = partial(run_mailbox, parts.mailbox, listeners)
        found.append(Child("mailbox", run, last=True, made_of=parts.mailbox))
    if parts.health is not None:
        run, made_of = partial(run_health, loaded, parts, listeners), makings.of_all(loaded, parts, processes)
        found.append(Child("health", run, last=True, made_of=made_of))
    if parts.console is not None:
        run, made_of = partial(run_console, loaded, parts, listeners), makings.of_all(loaded, parts, processes)
        found.append(Child("console", run, last=True, shows=True, made_of=made_of))
    if parts.alerts is not None:
        run, made_of = partial(_run_alerts, loaded, parts.alerts), makings.of_all(loaded, parts, processes)
        found.append(Child("alerts", run, last=True, shows=True, made_of=made_of))
    if parts.intake is not None:
        run = partial(run_intake, loaded, parts.intake, listeners)
        made_of = makings.of_intake(loaded, parts)
        found.append(Child("intake", run, forks=True, made_of=made_of, leave=LEAVE))
    names = ["worker"] if processes == 1 else [f"worker-{number}" for number in range(1, processes + 1)]
    if parts.stages:
        stages = [stage.name for stage in parts.stages]
        box = BlackBox(processes, sum(stage.concurrency for stage in parts.stages))
        made_of = makings.of_worker(loaded, parts, processes)
        for number, name in enumerate(names):
            run = partial(run_worker, loaded, name, stages, box, number)
            found.append(Child(name, run, made_of=made_of, leave=LEAVE))
    return found


def _import_shared(loaded: LoadedPipeline, parts: Parts) -> None:
    """Import what several children need. Before the fork that takes time and memory once, and a child that is
    started again is up sooner."""
    if loaded.pipeline.ledger is not None and (parts.intake is not None or parts.stages):
        import runner.ledger.ledger  # noqa: F401
    if [parts.intake, parts.health, parts.console].count(None) < 2:
        import flask  # noqa: F401


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


def _run_alerts(loaded: LoadedPipeline, alerts: Alerts, supervision: Supervision) -> None:
    from runner.processes.alerting import run_alerts  # which no other child needs

    run_alerts(loaded, alerts, supervision)


def run_mailbox(mailbox: Mailbox, listeners: Listeners, supervision: Supervision) -> None:
    """Keep every mail until `Stop`."""
    from runner.mailbox.server import MailboxServer

    listener = listeners.take("mailbox")
    assert listener is not None
    with MailboxServer(listener, mailbox.folder):
        supervision.up()
        rest()


def run_intake(loaded: LoadedPipeline, http: Http, listeners: Listeners, supervision: Supervision) -> None:
    """Serve the intake until SIGTERM: granian, with the app in a process that it forks."""
    from runner.intake.connections import connections_for
    from runner.intake.serving import IntakeServer

    listener = listeners.take("intake")
    assert listener is not None
    connections = connections_for(http.max_connections)
    if connections < http.max_connections:
        message = "serving %d connections at once, and not %d (http: max_connections): the limit of open files is %d"
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        told = facts(connections=connections, max_connections=http.max_connections, descriptors=most)
        log.warning(message, connections, http.max_connections, most, extra=told)
    multiprocessing.set_start_method("fork", force=True)
    # Until granian's process has a running loop, SIGTERM has to wait, from the fork on: otherwise
    # Python would forget it, or the parent's handler record it, and the process would never end.
    os.register_at_fork(
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, [signal.SIGTERM]),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, [signal.SIGTERM]),
    )
    shared = listener.dup()
    server = IntakeServer(http, listener, connections)
    load = partial(_load_app, loaded, shared, connections, supervision, server)
    server.serve(target_loader=load, wrap_loader=False)


def _load_app(
    loaded: LoadedPipeline,
    listener: socket.socket,
    connections: int,
    supervision: Supervision,
    server: IntakeServer,
) -> Any:
    """In granian's own process: the app, whose broker connects meanwhile on granian's loop.
    It serves at once, and answers 503 until the broker is connected."""
    from runner.intake.lifetime import ServedApplication

    supervision.watch()
    with _errors_reported(supervision):
        routes = loaded.pipeline.http.routes if loaded.pipeline.http else ()
        instruments = Instruments(loaded.pipeline, "intake", routes=list(map(str, routes)))
        events = observers.attach(instruments.observers)
        broker = connect(loaded.pipeline, "intake", events)
        instruments.begin(supervision, broker)
        ledger = ledger_of(loaded.pipeline) if any(route.uses_ledger for route in routes) else None
        if ledger is not None:
            ledger.events = events
            gc.set_threshold(COLLECT)
        up = supervision.up if server.ready is None else None  # else the intake was up before
        start = partial(_start_intake, loaded, broker, ledger, supervision, up)
        follows = supervision.follows or server.ready is not None
        served = ServedApplication(loaded, broker, events, listener, connections, start, ledger, follows=follows)
        served.ready = server.ready
        served.on_leave = partial(_left, supervision, server)
        served.at_end = [instruments.end]
        return served


def _left(supervision: Supervision, server: IntakeServer) -> None:
    """To whichever of the two has asked it to leave."""
    os.write(server.left, b"!")
    supervision.left()


def _start_intake(
    loaded: LoadedPipeline,
    broker: Broker,
    ledger: Ledger | None,
    supervision: Supervision,
    up: Callable[[], None] | None,
    loop: asyncio.AbstractEventLoop,
) -> None:
    with _errors_reported(supervision):
        if ledger is not None:
            ledger.open()
        broker.start(plan(loaded.pipeline), loop=loop)
    if up is not None:
        up()


@contextmanager
def _errors_reported(supervision: Supervision) -> Iterator[None]:
    """Granian's processes can't raise to the supervisor: they report the error, and end."""
    try:
        yield
    except RunnerError as error:
        supervision.cannot_start(str(error))
        os._exit(1)
    except Exception:
        log.exception("the intake has failed")
        os._exit(1)
