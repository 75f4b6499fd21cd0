"""A small HTTP server for health: `GET /health/…`, one request per connection, nothing else.

It answers where nothing else does: on a separate address, and on the intake's for connections
that have waited in vain because it already serves as many as it may.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from werkzeug.wrappers import Response

from runner.intake.health import HealthViews
from runner.intake.problems import internal_error, problem

RESERVED = 64
"""Connections at once. One more ends the oldest: a probe has sent its request long before."""
LONGEST_HEADER = 8192
"""Bytes."""
TIMEOUT = 2.0
"""Seconds that a connection may live."""
PATIENCE = 0.1
"""Seconds that a connection waits for the server that it was meant for."""
TURN = 0.01
"""Seconds between one batch of connections and the next."""

Answer = Callable[[str, str], Response]
"""The answer to a method and a path; may wait a moment."""


def views(health: HealthViews) -> Answer:
    """Answers questions for `health`, and everything else with 404."""

    def answer(method: str, path: str) -> Response:
        view = health.views.get(path) if method in ("GET", "HEAD") else None
        return view() if view is not None else problem(404, f"nothing is served here but {', '.join(health.views)}")

    return answer


class Reserve:
    """Answers on `listener`, on its own thread, as long as that is open.

    `needed` tells whether it is wanted now: if another server has the same socket, it takes
    only what that server leaves. `context`: it speaks TLS.
    """

    def __init__(
        self,
        listener: socket.socket,
        answer: Answer,
        needed: Callable[[], bool] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._context = context
        self._listener = listener
        self._answer = answer
        self._needed = needed
        self._threads = ThreadPoolExecutor(RESERVED, thread_name_prefix="health")
        self._talks: dict[asyncio.Task[None], None] = {}
        """The oldest first."""
        self._started = threading.Event()

    def start(self) -> None:
        self._listener.setblocking(False)
        threading.Thread(target=asyncio.run, args=(self._serve_until_ended(),), name="health", daemon=True).start()
        self._started.wait()

    def stop(self) -> None:
        """Take no more, before the listener is closed. For other threads."""
        self._loop.call_soon_threadsafe(self._serving.cancel)

    async def _serve_until_ended(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._serving = self._loop.create_task(self._serve())
        self._started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving

    async def _serve(self) -> None:
        while self._listener.fileno() >= 0:
            await self._somebody_waits()
            if self._needed is not None:
                await asyncio.sleep(PATIENCE)
                if not self._needed():
                    continue
            while self._accept():  # more are there; those who came now get their answer first
                await asyncio.sleep(TURN)

    async def _somebody_waits(self) -> None:
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()

        def come() -> None:
            loop.remove_reader(self._listener)
            waiting.set_result(None)

        try:
            loop.add_reader(self._listener, come)
        except ValueError:  # it has just been closed, by the thread that called `stop`
            return
        try:
            await waiting
        finally:
            loop.remove_reader(self._listener)

    def _accept(self) -> bool:
        """Whether more may be waiting."""
        with contextlib.suppress(OSError):  # nobody waits any more
            for _ in range(RESERVED // 2):
                connection, _ = self._listener.accept()
                talk = asyncio.get_running_loop().create_task(self._talk(connection))
                self._talks[talk] = None
                talk.add_done_callback(self._talks.pop)
                if len(self._talks) > RESERVED:
                    next(iter(self._talks)).cancel()
            return True
        return False

    async def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):  # TimeoutError is an OSError
            reader, writer = await self._opened(connection)
            try:
                async with asyncio.timeout(TIMEOUT):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(await self._response(head))
                    if not writer.can_write_eof():  # TLS, whose end is a message, too
                        await writer.drain()
                        return
                    writer.write_eof()
                    while await reader.read(65536):  # closed at once, it would be reset before it is read
                        pass
            finally:
                writer.close()

    async def _opened(self, connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError if the client speaks no TLS where it should."""
        if self._context is None:
            return await asyncio.open_connection(sock=connection, limit=LONGEST_HEADER)
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=LONGEST_HEADER)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self._context,
            ssl_handshake_timeout=TIMEOUT,
            ssl_shutdown_timeout=TIMEOUT,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _response(self, head: bytes) -> bytes:
        method, path, _ = (head.split(b"\r\n", 1)[0].decode("latin-1") + "  ").split(" ", 2)
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, self._answered, method, path.partition("?")[0])
        lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in response.headers.items())]
        if "Connection" not in response.headers:
            lines.append("Connection: close")
        body = b"" if method == "HEAD" else response.get_data()
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    def _answered(self, method: str, path: str) -> Response:
        try:
            return self._answer(method, path)
        except Exception as error:  # noqa: BLE001 - as Flask's error handlers do
            return internal_error(error, method, path)
