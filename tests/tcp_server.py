"""A server on loopback with a thread for each connection, which a test lets do what it likes."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class TcpServer:
    """Calls `talk(connection, number)` for each connection, from 0, until it is left."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def talk(self, connection: socket.socket, number: int) -> None:
        raise NotImplementedError

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self._open)

    def hang_up(self) -> None:
        """Close every connection, as a server does that is restarted."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self.talk, args=(connection, len(self._open) - 1))
            self._threads.append(thread)
            thread.start()
