"""What answers when nothing else does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from runner.intake.reserve import LONGEST_HEADER, RESERVED, Reserve
from tests.http_client import Client
from tests.intake.connections import opened, running, until_closed
from tests.waiting import TIMEOUT, wait_until


def test_beyond_the_limit_of_connections_health_answers_and_the_others_get_503(tmp_path: Path) -> None:
    with running(tmp_path, "max_connections: 20") as program:
        with ExitStack() as idle:
            for _ in range(200):
                idle.enter_context(opened(program, b"POST /wo"))
            assert program.request("GET", "/health/live").body == {"status": "live"}
            assert program.answers("/health/ready") == 200
            assert program.answers("/health/pipeline") == 503
            answer = program.post({"n": 1})
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert answer.body["detail"].startswith("the intake has 20 connections, and takes no more")
        wait_until(lambda: program.post({"n": 1}).status == 202)


@pytest.fixture
def reserve() -> Iterator[Client]:
    """One that says what it was asked, and has nothing to say of `/broken`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(method: str, path: str) -> Response:
            if path == "/broken":
                raise ValueError(path)
            return Response(f"{method} {path}")

        Reserve(listener, answer).start()
        yield Client(listener.getsockname()[1])


def test_it_answers_one_request_a_connection(reserve: Client) -> None:
    answer = reserve.get("/health/live?please")
    assert (answer.status, answer.text) == (200, "GET /health/live")
    assert answer.headers["Connection"] == "close"
    assert reserve.request("HEAD", "/health/live").text == ""


def test_an_error_of_ours_is_answered_and_logged(reserve: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert reserve.get("/broken").status == 500
    assert "internal error on GET /broken" in caplog.text


@pytest.mark.parametrize("sent", [b"", b"GET /", b"\x00\xff" * 10, b"GET / HTTP/1.1\r\nX: " + b"a" * LONGEST_HEADER])
def test_what_is_no_request_is_not_waited_for(reserve: Client, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", reserve.port), timeout=TIMEOUT) as connection:
        connection.sendall(sent)
        assert until_closed(connection) == b""


def test_however_many_say_nothing_a_request_is_answered(reserve: Client) -> None:
    with ExitStack() as silent:
        for _ in range(RESERVED * 4):
            silent.enter_context(socket.create_connection(("127.0.0.1", reserve.port), timeout=TIMEOUT))
        assert reserve.get("/health/live").status == 200


class ClosedMeanwhile(socket.socket):
    """Another thread closes it just after it was looked at."""

    def fileno(self) -> int:
        number = super().fileno()
        self.close()
        return number


def test_a_listener_that_is_closed_while_it_begins_to_wait_ends_it_calmly() -> None:
    before = set(threading.enumerate())
    listener = ClosedMeanwhile()
    Reserve(listener, lambda method, path: Response()).start()
    for thread in set(threading.enumerate()) - before:
        thread.join(TIMEOUT)  # what a thread fails on, pytest tells
        assert not thread.is_alive()
