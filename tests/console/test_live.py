"""The live stream, as a program reads it; what a browser makes of it is in `test_browser`."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runner.message import Destination, Outgoing
from tests.console.conftest import Shown
from tests.waiting import TIMEOUT


class Stream:
    """An open stream, event by event."""

    def __init__(self, connection: socket.socket) -> None:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self._file = connection.makefile("rb")

    def next(self) -> dict[str, Any]:
        for line in self._file:
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return found
        raise EOFError


@contextmanager
def streaming(shown: Shown) -> Iterator[Stream]:
    with socket.create_connection(("127.0.0.1", shown.port), TIMEOUT) as connection:
        yield Stream(connection)


def test_all_figures_come_first_and_then_those_that_change(shown: Shown) -> None:
    with streaming(shown) as stream:
        first = stream.next()
        assert {"queue.orders.ready", "queue.bills.dead", "summary", "at"} <= set(first)
        shown.broker.publish([Outgoing(Destination("", "orders"), "m1", b"{}")])
        while "queue.orders.ready" not in (step := stream.next()):
            assert set(step) < set(first)
        assert step["queue.orders.ready"] == "1"


def test_two_who_look_are_told_the_same(shown: Shown) -> None:
    with streaming(shown) as one, streaming(shown) as other:
        assert set(one.next()) == set(other.next())


def test_a_stop_ends_the_streams_at_once(shown: Shown) -> None:
    with streaming(shown) as stream:
        stream.next()
        shown.served.stop()
        try:
            while True:
                stream.next()
        except (EOFError, ConnectionResetError):
            pass
