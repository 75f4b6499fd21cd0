"""Granian on a thread: from its start to its end."""

from __future__ import annotations

import socket

from tests.console.conftest import Shown
from tests.waiting import wait_until


def test_what_is_started_takes_requests_and_what_is_stopped_takes_none(shown: Shown) -> None:
    assert shown.ask("/health/live").status == 200
    shown.served.stop()

    def refused() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", shown.port)) != 0

    wait_until(refused)
