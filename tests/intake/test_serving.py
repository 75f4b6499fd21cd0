"""Clients that hold connections, send half of something, or don't read: what becomes of them, and of
the others. Tests ask a whole program, by sockets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runner.intake.serving import LONGEST_HEADER
from tests.intake.connections import HALVES, HEAD, WHOLE, opened, running, until_closed
from tests.system.program import ROOT, Program


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Waits half a second for what a client has begun to send."""
    with running(tmp_path_factory.mktemp("hasty"), "request_timeout: 500ms") as program:
        yield program


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
def test_a_client_that_sends_no_more_is_not_waited_for(hasty: Program, sent: bytes) -> None:
    with opened(hasty, sent) as connection:
        received = until_closed(connection)
    body_began = b"\r\n\r\n" in sent and sent is not WHOLE
    assert (b"408 Request Timeout" in received) == body_began
    assert (b"not arrived within 500ms" in received) == body_began
    assert (b"202 Accepted" in received) == (sent is WHOLE)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends such connections")
def test_a_client_that_never_reads_is_not_waited_for(hasty: Program) -> None:
    def ask_on_and_on() -> None:  # until no buffer takes any more; then it would block for good
        while True:
            connection.sendall(b"GET /nowhere HTTP/1.1\r\nHost: here\r\n\r\n" * 100)

    with opened(hasty) as connection, pytest.raises(ConnectionError):
        ask_on_and_on()


def test_a_header_has_a_limit(hasty: Program) -> None:
    with opened(hasty, HEAD + b"X: " + b"a" * LONGEST_HEADER) as connection:
        assert until_closed(connection).startswith(b"HTTP/1.1 431 ")


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Waits as long as a busy machine may take to send."""
    with running(tmp_path_factory.mktemp("patient"), "request_timeout: 1m") as program:
        yield program


@pytest.mark.parametrize("path", ["/work", "/nowhere"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_client_that_sends_all_of_a_large_body_reads_why_it_is_refused(
    patient: Program, path: str, content_type: str
) -> None:
    answer = patient.request("POST", path, b" " * 10_000_000, {"Content-Type": content_type})
    assert answer.status == (415 if (path, content_type) == ("/work", "text/plain") else 413)


def test_a_large_body_that_waits_for_a_100_is_refused_before_it_is_sent(hasty: Program) -> None:
    with opened(hasty, HEAD + b"Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n") as connection:
        assert until_closed(connection).startswith(b"HTTP/1.1 413 ")


def test_two_thousand_idle_connections_hold_up_nobody(tmp_path: Path) -> None:
    with running(tmp_path) as program, ExitStack() as idle:
        for _ in range(2000):
            idle.enter_context(opened(program))
        assert program.post({"n": 1}).status == 202
        assert program.answers("/health/live") == program.answers("/health/ready") == 200


def test_a_signal_that_interrupts_no_wait_ends_it() -> None:
    """As one that comes just before the wait, here one that another thread takes: Python's handler waits for both."""
    code = """if True:
        import signal, threading, time
        from runner.intake.serving import Interrupt

        def order():
            time.sleep(0.3)  # until the main thread waits
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

        interrupt = Interrupt()
        signal.signal(signal.SIGTERM, lambda *_: print("told"))
        threading.Thread(target=order, daemon=True).start()
        interrupt.wait()
    """
    program = [sys.executable, "-c", code]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("told\n", "")
