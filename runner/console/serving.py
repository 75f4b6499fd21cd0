"""Granian on a thread of the console's own process, on a socket that already listens.

One process is enough for a few people. Left out: what is answered (see `rsgi`).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder
from granian.server.embed import AsyncWorker, Server
from werkzeug.wrappers import Response

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.console.rsgi import Application
from runner.console.run import Run
from runner.intake.connections import leave_descriptor, open_files
from runner.intake.health import HealthViews
from runner.intake.problems import come_again
from runner.intake.reserve import Reserve
from runner.intake.rotation import LOOK_EVERY, Rotation, encrypted, encrypted_by, read_again
from runner.intake.serving import LONGEST_HEADER, SILENT
from runner.observability.snapshot import Snapshot
from runner.pipeline import Console, Tls

log = logging.getLogger("runner.console")

BACKLOG = 128
"""Connections that may wait to be accepted."""
CONNECTIONS = 256
"""Connections that are served at once."""
HEADER_TIMEOUT = 30.0
"""Seconds that a request's header may take, and that an idle connection is kept."""
END_TIMEOUT = 1.0
"""Seconds in which the streams end."""


class ConsoleServer(Server):
    """Granian in this process, on a socket of ours."""

    def __init__(self, console: Console, listener: socket.socket, application: Application) -> None:
        super().__init__(
            application,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(HEADER_TIMEOUT * 1000), max_buffer_size=LONGEST_HEADER
            ),
            backpressure=CONNECTIONS,
            websockets=False,
            **encrypted(console.tls),
            log_dictconfig=SILENT,
        )
        self._listener = listener
        self._context = None if console.tls is None else encrypted_by(console.tls)
        self._answer = application.__rsgi__
        """What a second worker calls: without the beginning of an application, which it has behind it."""

    async def follow_certificate(self, tls: Tls) -> None:
        """Take new files when they come, for as long as it serves."""
        rotation = Rotation(tls, "console: tls", log)
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if rotation.due(partial(self._take, tls)):
                self._exchange()

    def _take(self, tls: Tls) -> None:
        """Read new files. Raises OSError."""
        assert self._context is not None
        self._context.load_cert_chain(tls.certificate, tls.key)
        read_again(self, tls)

    def _exchange(self) -> None:
        """A second worker of granian takes new connections from the same socket. The first one takes none any more, and
        ends when those that it has have sent their requests."""
        old, taken = self.wrks[-1], self._descriptor
        self._init_shared_socket()
        new: Any = self._spawn_worker(0, self._spawn_rsgi_worker, self._answer)
        new.start()
        self.wrks.append(new)
        leave_descriptor(taken, self._listener.family)
        asyncio.get_running_loop().call_later(HEADER_TIMEOUT, self._end, old)
        log.info("console: tls: the new certificate is in use")

    def _end(self, worker: AsyncWorker) -> None:
        self.wrks.remove(worker)
        worker.terminate()  # type: ignore[no-untyped-call]

    def _init_shared_socket(self) -> None:
        holder: Any = SocketHolder  # whose types leave its arguments out
        self._descriptor = self._listener.dup().detach()  # a worker that ends closes its own
        self._shd = holder(self._descriptor, False, BACKLOG)

    def reserve(self, health: HealthViews) -> Reserve:
        """What answers for health while strangers have taken all connections."""
        others = open_files()

        def answer(method: str, path: str) -> Response:
            view = health.views.get(path) if method in ("GET", "HEAD") else None
            return view() if view is not None else come_again(f"{CONNECTIONS} connections are open; try again later")

        return Reserve(self._listener, answer, lambda: open_files() - others >= CONNECTIONS, self._context)

    def stop(self) -> None:
        super().stop()  # type: ignore[no-untyped-call]
        self._listener.close()


class Served:
    """The console of a run, served on a thread until it is stopped."""

    def __init__(
        self,
        loaded: LoadedPipeline,
        console: Console,
        listener: socket.socket,
        broker: Broker,
        needed: Sequence[str],
        processes: Callable[[], Mapping[str, bool]],
        snapshot: Callable[[], Snapshot] = Snapshot,
    ) -> None:
        """`needed` are the queues that this run works with; `processes` tells of each whether it is up,
        and `snapshot` what they have counted."""
        self._run = Run(loaded, console, broker, processes, snapshot)
        health = HealthViews(loaded, broker, needed, self._run.down)
        self._application = Application(self._run, health)
        self._server = ConsoleServer(console, listener, self._application)
        self._reserve = self._server.reserve(health)
        self._thread = threading.Thread(target=self._serve, name="console", daemon=True)

    def start(self) -> None:
        """Returns when it takes requests."""
        self._run.open()
        self._thread.start()
        self._application.serving.wait()
        self._reserve.start()

    @property
    def ready(self) -> bool:
        """Whether it has all that its pages need: the ledger, if there is one."""
        return self._run.ledger is None or not self._run.ledger.away

    @property
    def looking(self) -> int:
        """How many browsers follow the figures."""
        return self._application.looking

    def stop(self) -> None:
        """End the streams, so that browsers know at once, and take nothing more."""
        if self._thread.is_alive():
            self._reserve.stop()
            self._application.end()
            self._thread.join(END_TIMEOUT)
            self._run.close()

    def _serve(self) -> None:
        asyncio.run(self._until_ended())

    def _following(self) -> asyncio.Future[None] | None:
        tls = self._run.console.tls
        return None if tls is None else asyncio.ensure_future(self._server.follow_certificate(tls))

    async def _until_ended(self) -> None:
        serving = asyncio.ensure_future(self._server.serve())
        following = self._following()
        await self._application.ended()
        if following is not None:
            following.cancel()
        self._server.stop()
        await asyncio.wait([serving], timeout=END_TIMEOUT)
