"""An intake as a whole program, and connections to it that are held open."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.program import PIPELINE, Program
from tests.waiting import TIMEOUT


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
