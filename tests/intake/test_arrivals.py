"""Bodies that are still coming in: when the intake stops, and when they are too many."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

import pytest

from runner.brokers.base import Broker, Done
from runner.config.loader import LoadedPipeline
from runner.intake.rsgi import Application
from tests.intake.connections import opened, running
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


HEAD = b"POST %s HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
LARGE = b'{"n": 1}' + b" " * 60_000


@pytest.mark.parametrize("path", [b"/work", b"/nowhere"])
@pytest.mark.parametrize(
    "coming",
    [b"Content-Length: 60000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\nEA60\r\n" + b" " * 59_999],
    ids=["announced", "in chunks"],
)
def test_beyond_what_all_bodies_may_have_together_others_are_told_to_come_again(
    tmp_path: Path, path: bytes, coming: bytes
) -> None:
    with running(tmp_path, "max_bodies: 100000", "request_timeout: 1m") as program:
        for _ in range(3):
            assert program.post(LARGE).status == 202  # what is answered takes no room
        with ExitStack() as half_sent:

            def is_full() -> bool:  # whichever of the two is here first has the room
                half_sent.enter_context(opened(program, HEAD % path + coming))
                return program.post(LARGE).status == 503

            wait_until(is_full)
            refused = program.post(LARGE)
            assert "the bodies of all requests are larger than 100000B" in refused.body["detail"]
            assert refused.headers["Retry-After"] == "5"
            assert program.post({"n": 1}).status == 202  # a small one has room
            assert program.answers("/health/live") == program.answers("/health/ready") == 200
        wait_until(lambda: program.post(LARGE).status == 202)
