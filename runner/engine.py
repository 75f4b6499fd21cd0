"""A whole pipeline in this one process, as a context manager: for tests and notebooks.

    with Engine(load(Path("pipeline.yaml"))) as engine:
        requests.post(engine.url + "/make-payment", json={...})

The parts are those of `runner run`. Only the HTTP server differs (Werkzeug's, which needs
no extra processes), and a part that dies is not restarted.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from typing import Self

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.errors import StartError
from runner.events import Observer
from runner.observability.observers import attach
from runner.pipeline import Address, Http
from runner.processes.parts import READY_POLL, parts_of, prepare_keys
from runner.topology import plan
from runner.worker.memory import memory_of


class Engine:
    """`only` names the parts to start: `mailbox`, `intake` and stages (empty: all of them).
    `observers` observe what happens, like the log.

    Raises UnknownPartError for a part that the file doesn't have. Entering raises
    RunnerError if a part can't start or isn't ready within `timeout` seconds.
    """

    def __init__(
        self,
        loaded: LoadedPipeline,
        *,
        only: Collection[str] = (),
        observers: Iterable[Observer] = (),
        timeout: float = 30.0,
    ) -> None:
        self._loaded = loaded
        self._wanted = parts_of(loaded.pipeline, only)
        self._timeout = timeout
        self._memory = memory_of(loaded.pipeline)
        self._events = attach([*observers, *([self._memory.notes] if self._memory else [])])
        if self._memory is not None:
            self._memory.ledger.events = self._events
        self._parts = ExitStack()
        self.url = ""
        """Where the intake answers: `http://127.0.0.1:5000`; empty without one."""
        self.broker: Broker
        """All parts share this one connection to the broker."""

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            self._start(parts)
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def _start(self, parts: ExitStack) -> None:
        pipeline = self._loaded.pipeline
        prepare_keys(self._wanted, self._loaded)
        if (mailbox := self._wanted.mailbox) is not None:
            from runner.mailbox.server import MailboxServer

            parts.enter_context(MailboxServer(mailbox.listen, mailbox.folder))
        self.broker = connect(pipeline, "engine", self._events)
        parts.callback(self.broker.close)
        if self._memory is not None:
            parts.callback(self._memory.ledger.close)
            self._memory.ledger.open(self._timeout)
        self.broker.start(plan(pipeline), timeout=self._timeout)
        self._start_worker(parts)
        if self._wanted.intake is not None:
            self._start_intake(parts, self._wanted.intake.listen)

    def _start_worker(self, parts: ExitStack) -> None:
        from runner.worker.worker import Worker

        pipeline = self._loaded.pipeline
        names = [stage.name for stage in self._wanted.stages]
        worker = Worker(self._loaded, self.broker, names, self._events, memory=self._memory)
        worker.start()
        parts.callback(worker.stop, pipeline.shutdown_timeout)
        deadline = time.monotonic() + self._timeout
        while not worker.ready:
            if time.monotonic() > deadline:
                raise StartError(f"the stages are not registered as consumers after {self._timeout:g} s")
            time.sleep(READY_POLL)

    def _start_intake(self, parts: ExitStack, listen: Address) -> None:
        from werkzeug.serving import WSGIRequestHandler, make_server

        from runner.intake.app import create_app

        class Quiet(WSGIRequestHandler):
            def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

        ledger = self._memory.ledger if self._memory else None
        context = _context(self._loaded.pipeline.http)
        app = create_app(self._loaded, self.broker, self._events, ledger=ledger)
        try:
            server = make_server(
                listen.host, listen.port, app, threaded=True, request_handler=Quiet, ssl_context=context
            )
        except (OSError, SystemExit) as error:  # Werkzeug exits if the port is taken
            raise StartError(f"can't listen on {listen}: {error}") from error
        parts.callback(server.server_close)
        parts.callback(server.shutdown)
        threading.Thread(target=server.serve_forever, args=(0.05,), name="intake", daemon=True).start()
        self.url = f"{'http' if context is None else 'https'}://{listen.host}:{server.port}"


def _context(http: Http | None) -> ssl.SSLContext | None:
    """What TLS the intake speaks; None: none."""
    if http is None or http.tls is None:
        return None
    from runner.certificates import server_context

    return server_context(http.tls)
