"""A stop of the intake. How a successor follows it is in `test_rotation`, and in `processes/test_exchange.py`."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from tests.intake.connections import HALVES, opened, running, until_closed


def test_what_is_half_sent_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    with running(tmp_path, "request_timeout: 1h") as program:
        halves = [opened(program, sent) for sent in HALVES.values()]
        assert program.post({"n": 1}).status == 202  # they have been read
        assert program.stop(signal.SIGTERM) == 0
        assert "killing" not in program.log
        for connection in halves:
            with connection:
                assert b" 408 " not in _all_that_came(connection)


def _all_that_came(connection: socket.socket) -> bytes:
    try:
        return until_closed(connection)
    except ConnectionError:
        return b""
