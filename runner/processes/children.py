"""The three kinds of child processes of `runner run`: intake, worker, mailbox.

Each is built from the pipeline that the supervisor has loaded, after the fork, and
imports what it alone needs: a worker pays nothing for the HTTP server.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.errors import RunnerError
from runner.observability import observers
from runner.pipeline import Http, Mailbox
from runner.processes.parts import Parts
from runner.processes.ports import check_free, wait_until_answered
from runner.processes.supervisor import START_FAILED, Child, Supervision, rest
from runner.topology import plan

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("runner.children")

SILENT = {
    "handlers": {"none": {"class": "logging.NullHandler"}},
    "loggers": {"_granian": {"handlers": ["none"], "propagate": False}},
}
"""What granian has to say (its processes, its threads) is no news to an operator of ours."""
READY_POLL = 0.01
"""Seconds between looks at whether the consumers are registered."""


def children(loaded: LoadedPipeline, parts: Parts, *, processes: int = 1) -> list[Child]:
    """The children that `runner run` starts: those that `parts` need, with so many worker processes."""
    found: list[Child] = []
    if parts.mailbox is not None:
        found.append(Child("mailbox", partial(run_mailbox, parts.mailbox), last=True))
    if parts.intake is not None:
        found.append(Child("intake", partial(run_intake, loaded, parts.intake), forks=True))
    names = ["worker"] if processes == 1 else [f"worker-{number}" for number in range(1, processes + 1)]
    if parts.stages:
        stages = [stage.name for stage in parts.stages]
        found += [Child(name, partial(run_worker, loaded, name, stages)) for name in names]
    return found


def run_worker(loaded: LoadedPipeline, name: str, stages: Collection[str], supervision: Supervision) -> None:
    """Handle deliveries until `Stop`; then finish what is in hand and let its acks leave."""
    from runner.worker.worker import Worker

    events = observers.attach()
    broker = connect(loaded.pipeline, name, events)
    worker = Worker(loaded, broker, stages, events)
    try:
        broker.start(plan(loaded.pipeline))
        try:
            worker.start()
            while not worker.ready:
                time.sleep(READY_POLL)
            supervision.up()
            rest()
        finally:
            worker.stop(loaded.pipeline.shutdown_timeout)
    finally:
        broker.close()


def run_mailbox(mailbox: Mailbox, supervision: Supervision) -> None:
    """Keep every mail until `Stop`."""
    from runner.mailbox.server import MailboxServer

    with MailboxServer(mailbox.listen, mailbox.folder):
        supervision.up()
        rest()


def run_intake(loaded: LoadedPipeline, http: Http, supervision: Supervision) -> None:
    """Serve the intake until SIGTERM: granian, with the app in a process that it forks."""
    from granian.constants import Interfaces
    from granian.server import MPServer

    address = http.listen
    check_free(address, "http: listen", "LISTEN")
    multiprocessing.set_start_method("fork", force=True)
    # Until granian's process has a loop that runs, SIGTERM has to wait: it would be noted as
    # its parent's is, or by a loop that doesn't look, and the process would go on for ever.
    os.register_at_fork(after_in_child=partial(signal.pthread_sigmask, signal.SIG_BLOCK, [signal.SIGTERM]))
    server = MPServer(
        "runner.intake",
        address=address.host,
        port=address.port,
        interface=Interfaces.RSGI,
        websockets=False,
        log_dictconfig=SILENT,
    )
    server.serve(target_loader=partial(_load_app, loaded, http, supervision), wrap_loader=False)


def _load_app(loaded: LoadedPipeline, http: Http, supervision: Supervision) -> Any:
    """In granian's own process: the app, whose broker connects meanwhile on granian's loop.
    It serves at once, and answers 503 until the broker is there."""
    from runner.intake.rsgi import Application

    class Served(Application):
        def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
            super().__rsgi_init__(loop)
            loop.call_soon(signal.pthread_sigmask, signal.SIG_UNBLOCK, [signal.SIGTERM])
            arguments = (loaded, http, broker, loop, supervision)
            threading.Thread(target=_start_broker, args=arguments, name="broker-start", daemon=True).start()

        def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
            super().__rsgi_del__(loop)
            loop.run_until_complete(loop.run_in_executor(None, broker.close))

    supervision.watch()
    with _errors_reported(supervision):
        events = observers.attach()
        broker = connect(loaded.pipeline, "intake", events)
        return Served(loaded, broker, events)


def _start_broker(
    loaded: LoadedPipeline, http: Http, broker: Broker, loop: asyncio.AbstractEventLoop, supervision: Supervision
) -> None:
    with _errors_reported(supervision):
        broker.start(plan(loaded.pipeline), loop=loop)
    wait_until_answered(http.listen)
    supervision.up()


@contextmanager
def _errors_reported(supervision: Supervision) -> Iterator[None]:
    """Granian's processes can't raise to the supervisor: they tell it, and end."""
    try:
        yield
    except RunnerError as error:
        supervision.cannot_start(str(error))
        os._exit(START_FAILED)
    except Exception:
        log.exception("the intake has failed")
        os._exit(1)
