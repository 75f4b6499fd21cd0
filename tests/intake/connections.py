"""An intake as a whole program, and connections to it that are held open."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.program import PIPELINE, Program
from tests.waiting import TIMEOUT

HEAD = b"POST /work HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
GOOD = b'{"n": 1}'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD)
HALVES = {
    "nothing": b"",
    "half a request line": b"POST /wo",
    "half a header": HEAD + b"X: a",
    "no body": HEAD + b"Content-Length: 100\r\n\r\n",
    "half a body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n50\r\n{",
    "half a body for nobody": b"POST /nowhere HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n{",
    "a whole request, and nothing after it": WHOLE,
}
"""What a client may have sent when it sends no more."""


@contextmanager
def running(folder: Path, *settings: str) -> Iterator[Program]:
    """An intake alone, with `settings` below its `http`."""
    lines = "".join(f"  {setting}\n" for setting in settings)
    program = Program(folder, "embedded:broker.db", PIPELINE.replace("  routes:\n", f"{lines}  routes:\n"))
    program.start("--only", "intake")
    try:
        yield program
    finally:
        program.stop()


def opened(program: Program, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT)
    connection.sendall(sent)
    return connection


def until_closed(connection: socket.socket) -> bytes:
    """All that comes before the other side closes."""
    received = b""
    while part := connection.recv(65536):
        received += part
    return received
