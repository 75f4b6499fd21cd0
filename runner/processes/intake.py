"""The child process that takes requests: granian, and the app in a process that it forks.

Left out: what becomes of a request (see `runner.intake`).
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.errors import RunnerError
from runner.observability import observers
from runner.pipeline import Http
from runner.processes.child import COLLECT, Supervision
from runner.processes.instruments import Instruments
from runner.processes.listeners import Listeners
from runner.topology import plan
from runner.wording import facts
from runner.worker.memory import ledger_of

if TYPE_CHECKING:
    from runner.intake.serving import IntakeServer
    from runner.ledger.ledger import Ledger

log = logging.getLogger("runner.children")


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
