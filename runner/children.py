"""The three kinds of child processes of `runner run`: intake, worker, mailbox.

Each is built from the pipeline that the supervisor has loaded, after the fork, and
imports what it alone needs: a worker pays nothing for the HTTP server.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.brokers import connect
from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.errors import RunnerError, StartError
from runner.pipeline import Address
from runner.supervisor import START_FAILED, Child, Supervision, rest
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


def children(loaded: LoadedPipeline, *, only: Collection[str] = (), processes: int = 1) -> list[Child]:
    """The children that `runner run` starts. `only` names the parts to start: `intake`,
    `mailbox` and stages (nothing: everything that the file has)."""
    pipeline = loaded.pipeline
    stages = [name for name in pipeline.stages if not only or name in only]
    found: list[Child] = []
    if pipeline.mailbox is not None and (not only or "mailbox" in only):
        found.append(Child("mailbox", partial(run_mailbox, loaded), last=True))
    if pipeline.http is not None and (not only or "intake" in only):
        found.append(Child("intake", partial(run_intake, loaded), forks=True))
    names = ["worker"] if processes == 1 else [f"worker-{number}" for number in range(1, processes + 1)]
    if stages:
        found += [Child(name, partial(run_worker, loaded, name, stages)) for name in names]
    return found


def run_worker(loaded: LoadedPipeline, name: str, stages: Collection[str], supervision: Supervision) -> None:
    """Handle deliveries until `Stop`; then finish what is in hand and let its acks leave."""
    from runner.worker import Worker

    broker = connect(loaded.pipeline, name)
    worker = Worker(loaded, broker, stages)
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


def run_mailbox(loaded: LoadedPipeline, supervision: Supervision) -> None:
    """Keep every mail until `Stop`."""
    from runner.mailbox import MailboxServer

    assert loaded.pipeline.mailbox is not None
    with MailboxServer(loaded.pipeline.mailbox.listen, loaded.pipeline.mailbox.folder):
        supervision.up()
        rest()


def run_intake(loaded: LoadedPipeline, supervision: Supervision) -> None:
    """Serve the intake until SIGTERM: granian, with the app in a process that it forks."""
    from granian.constants import Interfaces
    from granian.server import MPServer

    assert loaded.pipeline.http is not None
    address = loaded.pipeline.http.listen
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
    server.serve(target_loader=partial(_load_app, loaded, supervision), wrap_loader=False)


def _load_app(loaded: LoadedPipeline, supervision: Supervision) -> Any:
    """In granian's own process: the app, whose broker connects meanwhile on granian's loop.
    It serves at once, and answers 503 until the broker is there."""
    from runner.rsgi import Application

    class Served(Application):
        def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
            super().__rsgi_init__(loop)
            loop.call_soon(signal.pthread_sigmask, signal.SIG_UNBLOCK, [signal.SIGTERM])
            arguments = (loaded, broker, loop, supervision)
            threading.Thread(target=_start_broker, args=arguments, name="broker-start", daemon=True).start()

        def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
            super().__rsgi_del__(loop)
            loop.run_until_complete(loop.run_in_executor(None, broker.close))

    supervision.watch()
    with _faults_reported(supervision):
        broker = connect(loaded.pipeline, "intake")
        return Served(loaded, broker)


def _start_broker(
    loaded: LoadedPipeline, broker: Broker, loop: asyncio.AbstractEventLoop, supervision: Supervision
) -> None:
    assert loaded.pipeline.http is not None
    with _faults_reported(supervision):
        broker.start(plan(loaded.pipeline), loop=loop)
    wait_until_answered(loaded.pipeline.http.listen)
    supervision.up()


@contextmanager
def _faults_reported(supervision: Supervision) -> Iterator[None]:
    """Granian's processes can't raise to the supervisor: they tell it, and end."""
    try:
        yield
    except RunnerError as error:
        supervision.fault(str(error))
        os._exit(START_FAILED)
    except Exception:
        log.exception("the intake has failed")
        os._exit(1)


def check_free(address: Address, key: str, variable: str) -> None:
    """Raises StartError where nothing can listen on `address`, which stands at `key` of
    the pipeline. The HTTP server itself would share a port with another one of its kind."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        ways_out = {
            errno.EADDRINUSE: ("stop the other program, or listen elsewhere", address.port + 1),
            errno.EACCES: ("listen on a port above 1023", address.port + 8000),
        }
        way_out, port = ways_out.get(error.errno or 0, ("listen on an address of this machine", address.port))
        where = f"{variable}=127.0.0.1:{port}, or {key} in the pipeline"
        raise StartError(f"can't listen on {address}: {reason}; {way_out} ({where})") from None


def wait_until_answered(
    address: Address, *, clock: Callable[[], float] = time.monotonic, timeout: float = 10.0
) -> None:
    """Return when something accepts connections on `address`, or after `timeout` seconds."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - compared, not bound
    deadline = clock() + timeout
    while clock() < deadline:
        try:
            socket.create_connection((host, address.port), timeout=1.0).close()
        except OSError:
            time.sleep(READY_POLL)
        else:
            return
