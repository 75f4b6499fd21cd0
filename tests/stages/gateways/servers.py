"""A gateway over HTTP that does what it is told, on loopback: also what no server should do."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.tcp_server import TcpServer

Script = Callable[["ScriptedGateway", socket.socket], None]
"""What is done with a connection after the request has come in."""


def answer(
    status: int, body: Any = None, *, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> Script:
    """A whole answer; `body` as JSON, or as it is."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return sends("\r\n".join([*lines, "", ""]).encode() + content)


def sends(*pieces: bytes) -> Script:
    """These bytes, and then the end of the connection."""

    def script(_gateway: ScriptedGateway, connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return script


def drips(first: bytes, more: bytes) -> Script:
    """`first`, and then `more` again and again, a little apart, for as long as anybody reads."""

    def script(gateway: ScriptedGateway, connection: socket.socket) -> None:
        connection.sendall(first)
        while not gateway.over.wait(0.01):
            connection.sendall(more)

    return script


def floods(first: bytes, more: bytes) -> Script:
    """The same as fast as it goes; counts what was taken."""

    def script(gateway: ScriptedGateway, connection: socket.socket) -> None:
        connection.sendall(first)
        while not gateway.over.is_set():
            gateway.flooded += connection.send(more)

    return script


def silent(gateway: ScriptedGateway, _connection: socket.socket) -> None:
    """Nothing, and the connection stays open."""
    gateway.over.wait()


def resets(_gateway: ScriptedGateway, connection: socket.socket) -> None:
    """The connection is reset: as when a process dies."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@dataclass(frozen=True)
class Request:
    line: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ScriptedGateway(TcpServer):
    """Follows `scripts`, one for each connection and the last of them from then on, and remembers
    the requests. With `tls`, it speaks TLS."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.scripts: Sequence[Script] = scripts
        self.requests: list[Request] = []
        self.flooded = 0
        self._tls = tls
        super().__init__()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}/charges"

    def talk(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection:
            talking = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with talking, talking.makefile("rb") as lines:
                self.requests.append(_request(lines))
                self.scripts[min(number, len(self.scripts) - 1)](self, talking)


def _request(lines: Any) -> Request:
    first = lines.readline().decode("latin-1").strip()
    headers: dict[str, str] = {}
    while line := lines.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(first, headers, lines.read(int(headers.get("content-length", 0))))
