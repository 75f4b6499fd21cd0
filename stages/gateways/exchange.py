"""One HTTP request and its answer, within limits of time and size, whatever the server does.

`http.client` limits one read and one line: a server that sends a byte now and then would hold up
a stage forever. (So do urllib3 and what is built on it.) Each exchange has a connection to itself,
and no redirect is followed: what is sent may hold a card number. Left out: what an answer means.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, NamedTuple, cast

MOST_BYTES = 64 * 1024
"""Bytes of an answer, its header included."""
_PIECE = 8 * 1024


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Names are in lower case."""
    body: bytes


class NoAnswerError(Exception):
    """There is no answer, or not a whole one. `sent`: the server may have the request."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class UntrustedError(Exception):
    """The server's certificate can't be trusted; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go. `tls`: verifies its certificate; None: without TLS."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, *, timeout: float) -> Answer:
        """`timeout` (seconds) is for all of it, from the look-up of the host's name to the last
        byte. Raises NoAnswerError and UntrustedError."""
        ends = time.monotonic() + timeout
        try:
            connection = self._connected(ends)
        except ssl.SSLCertVerificationError as error:
            raise UntrustedError(error.verify_message) from None
        except OSError as error:
            raise NoAnswerError(f"can't be reached: {error}", sent=False) from None
        try:
            return _exchanged(_Line(connection, ends), self, method, path, headers, body)
        except TimeoutError:
            raise NoAnswerError(f"gave no answer within {timeout:g} s", sent=True) from None
        except (OSError, HTTPException, ValueError) as error:
            raise NoAnswerError(f"broke off: {_words(error)}", sent=True) from None
        finally:
            connection.close()

    def _connected(self, ends: float) -> socket.socket:
        """Each address of the host gets its share of the time."""
        error = OSError(f"{self.host} has no address")
        places = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for left, (family, kind, protocol, _, place) in zip(range(len(places), 0, -1), places, strict=True):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(_left(ends) / left)
                connection.connect(place)
                connection.settimeout(_left(ends))
                return self.tls.wrap_socket(connection, server_hostname=self.host) if self.tls else connection
            except ssl.SSLCertVerificationError:
                connection.close()
                raise
            except OSError as reason:
                connection.close()
                error = reason
        raise error


class _Line(io.RawIOBase):
    """A connection that gives up at a time, and after MOST_BYTES; as far as `http.client` uses one."""

    def __init__(self, connection: socket.socket, ends: float) -> None:
        self._connection = connection
        self._ends = ends
        self._unread = MOST_BYTES
        self.ended = False
        """Whether nothing more will come."""
        self._file: io.BufferedReader[Any] = io.BufferedReader(self)

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(_left(self._ends))
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader[Any]:
        """Always the same one: after a 1xx, the answer itself may be in its buffer already."""
        return self._file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        if self._unread <= 0:
            raise OSError(f"the answer is longer than {MOST_BYTES} bytes")
        self._connection.settimeout(_left(self._ends))
        received = self._connection.recv_into(buffer[: self._unread])
        self._unread -= received
        self.ended = received == 0
        return received


def _exchanged(
    line: _Line, server: Server, method: str, path: str, headers: Mapping[str, str], body: bytes | None
) -> Answer:
    client = HTTPConnection(server.host, server.port)
    client.default_port = 443 if server.tls else 80  # where it is the usual one, Host is without it
    client.sock = cast(socket.socket, line)
    client.request(method, path, body, {**headers, "Connection": "close"})
    answers = [_begun(line, method)]  # kept: one that is dropped would close the line
    while 100 <= answers[-1].status < 200:
        if answers[-1].status == 101:
            raise OSError("it switches to another protocol")
        answers.append(_begun(line, method))
    answer = answers[-1]
    content = b"".join(iter(lambda: answer.read(_PIECE), b""))
    if answer.length:
        raise OSError(f"{answer.length} bytes are missing at the end of the answer")
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)


def _begun(line: _Line, method: str) -> HTTPResponse:
    answer = HTTPResponse(cast(socket.socket, line), method=method)
    answer.begin()
    if line.ended:
        raise OSError("its header is cut off")
    return answer


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _words(error: Exception) -> str:
    """Without what the server has sent, which may repeat a card number."""
    return str(error) if isinstance(error, OSError) else type(error).__name__
