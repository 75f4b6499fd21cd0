"""The live stream, as a program reads it; what a browser makes of it is in `test_browser`."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from runner.console import access, live, rsgi
from runner.console.figures import Figures, figures_of
from runner.console.history import History
from runner.console.run import Run
from runner.message import Destination, Outgoing
from tests.console.conftest import Show, Shown
from tests.console.test_guard import ASKING, Browser
from tests.waiting import TIMEOUT, wait_until

MOST_EVENTS = 30
"""Until a stream has ended that has to: it brings one a second."""


class Stream:
    """An open stream, event by event."""

    def __init__(self, connection: socket.socket, headers: str) -> None:
        connection.sendall(f"GET /live HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        self.file = connection.makefile("rb")

    def next(self) -> dict[str, Any]:
        for line in self.file:
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return found
        raise EOFError

    def wait_for_its_end(self) -> None:
        with suppress(EOFError, ConnectionResetError):
            for _ in range(MOST_EVENTS):
                self.next()
            raise AssertionError("it goes on")


@contextmanager
def streaming(shown: Shown, headers: str = "") -> Iterator[Stream]:
    with socket.create_connection(("127.0.0.1", shown.port), TIMEOUT) as connection:
        stream = Stream(connection, headers)
        yield stream
        stream.file.close()


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
        stream.wait_for_its_end()


def test_a_log_out_ends_the_streams_of_its_session_and_no_other(show: Show) -> None:
    shown = show(ASKING)
    ada, bob = Browser(shown), Browser(shown)
    ada.log_in("adas token")
    bob.log_in("bobs token")
    with (
        streaming(shown, f"Cookie: {ada.cookie}\r\n") as adas,
        streaming(shown, f"Cookie: {bob.cookie}\r\n") as bobs,
        streaming(shown, "Authorization: Bearer bobs token\r\n") as programs,
    ):
        for stream in (adas, bobs, programs):
            stream.next()
        ada.post("/log-out", ada.seal("/"))
        adas.wait_for_its_end()
        for stream in (bobs, programs):
            stream.next()
            stream.next()


def test_a_session_does_not_last_longer_for_a_page_that_is_left_open(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(access, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    shown = show(ASKING)
    browser = Browser(shown)
    browser.log_in("bobs token")
    with streaming(shown, f"Cookie: {browser.cookie}\r\n") as stream:
        stream.next()
        for _ in range(3):
            clock[0] += access.LIFETIME / 3 + 1
            with suppress(EOFError):
                stream.next()
        stream.wait_for_its_end()
    assert browser.get("/").status == 303


def test_while_nobody_looks_nothing_is_made(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Figures] = []

    def making(run: Run, history: History) -> Figures:
        made.append(figures_of(run, history))
        return made[-1]

    monkeypatch.setattr(live, "EVERY", 0.001)
    monkeypatch.setattr(rsgi, "figures_of", making)
    shown = show()
    for _ in range(50):
        assert shown.ask("/health/live").status == 200
    assert made == []
    with streaming(shown) as stream:
        stream.next()
        wait_until(lambda: len(made) > 10)
    wait_until(lambda: shown.served.looking == 0)
    seen = len(made)
    for _ in range(50):
        assert shown.ask("/health/live").status == 200
    assert len(made) <= seen + 1, "the one that was being made"


def test_one_who_does_not_read_holds_up_nobody(shown: Shown) -> None:
    with streaming(shown), streaming(shown) as other:
        for _ in range(3):
            other.next()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system can't end such connections")
def test_one_who_reads_nothing_is_let_go_or_all_would_pile_up(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = itertools.count()

    def many(_run: Run, _history: History) -> Figures:
        return {f"figure {n}": str(next(noise)) for n in range(50_000)}

    monkeypatch.setattr(live, "EVERY", 0.01)
    monkeypatch.setattr(rsgi, "figures_of", many)
    shown = show(unread=0.5)
    with streaming(shown):
        wait_until(lambda: shown.served.looking == 1)
        wait_until(lambda: shown.served.looking == 0)


def test_more_than_may_look_are_refused(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST", 1)
    shown = show()
    with streaming(shown) as stream:
        stream.next()
        assert shown.ask("/live").status == 503
    wait_until(lambda: shown.served.looking == 0)
    with streaming(shown) as stream:
        stream.next()
