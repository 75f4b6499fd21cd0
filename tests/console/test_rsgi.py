"""What is answered on the event loop, and what by Flask."""

from __future__ import annotations

import json
import socket

import pytest

from runner.console import rsgi
from runner.console.rsgi import LARGEST_BODY
from tests.console.conftest import Shown
from tests.waiting import TIMEOUT, wait_until


def test_health_is_told_at_the_same_address(shown: Shown) -> None:
    assert json.loads(shown.ask("/health/live").body) == {"status": "live"}
    answer = shown.ask("/health/pipeline")
    assert (answer.status, json.loads(answer.body)["detail"]) == (
        503,
        "stage check has no worker; stage bill has no worker",
    )
    wait_until(lambda: shown.ask("/health/ready").status == 200)
    shown.processes["worker"] = False
    assert json.loads(shown.ask("/health/ready").body)["detail"] == "worker is not up"


def test_what_is_no_page_is_a_404_that_leads_back(shown: Shown) -> None:
    answer = shown.ask("/nothing")
    assert answer.status == 404
    assert '<a href="/">' in answer.body


def test_a_form_that_is_too_large_is_refused(shown: Shown) -> None:
    assert shown.ask("/", "POST", "x" * (LARGEST_BODY + 1)).status == 413
    assert shown.ask("/").status == 200


def test_a_form_that_does_not_come_takes_no_connection_for_ever(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        monkeypatch.context() as patch,  # a request that has no body isn't read so soon by a busy machine
        socket.create_connection(("127.0.0.1", shown.port), TIMEOUT) as connection,
    ):
        patch.setattr(rsgi, "BODY_TIMEOUT", 0.01)
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        with connection.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
            assert answer.read().endswith(b"}\n"), "and the connection has ended"
    assert shown.ask("/").status == 200
