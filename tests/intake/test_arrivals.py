"""Bodies that are still coming in when the intake stops."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from runner.brokers.base import Broker, Done
from runner.config.loader import LoadedPipeline
from runner.intake.rsgi import Application
from tests.intake.served import FINE, served
from tests.waiting import wait_until

HALF = b"POST /pay HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"


def test_a_stop_finishes_what_is_being_published_and_drops_what_has_not_arrived(
    pipeline: LoadedPipeline, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: SimpleQueue[Done] = SimpleQueue()
    monkeypatch.setattr(broker, "submit", lambda _, done: submitted.put(done))
    application = Application(pipeline, broker)
    with served(application) as (client, loop), ThreadPoolExecutor(1) as pool:
        published = pool.submit(client.post, "/pay", FINE)
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as half:
            half.sendall(HALF)
            confirm = submitted.get()
            wait_until(lambda: application.busy == 2)
            stopped = asyncio.run_coroutine_threadsafe(application.stop(), loop)
            assert b"the intake is stopping" in half.recv(65536)
        assert not stopped.done()
        loop.call_soon_threadsafe(confirm, None)
        assert published.result().status == 202
        stopped.result()
