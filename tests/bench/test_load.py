"""The load generator and the SMTP sink, both our own C: what they report is what happened."""

from __future__ import annotations

import re
import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import needs
from bench.failure import ContenderError, MissingError
from bench.ground import Ground
from bench.load import CONNECTIONS, load
from bench.sink import Sink
from tests.waiting import wait_until


class Server(ThreadingHTTPServer):
    """Answers with the statuses in turn, then always with the last, and keeps what was posted."""

    daemon_threads = False  # so that closing waits for them, and no socket is left open
    request_queue_size = 64

    def __init__(self, *statuses: int, close: bool = False) -> None:
        self.lock = threading.Lock()
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []
        self.keys: list[str | None] = []
        self.connections: set[object] = set()
        self.close = close
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.keys.append(self.headers["Idempotency-Key"])
            self.server.connections.add(self.client_address)
            status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        self.send_response(status)
        self.send_header("content-length", "2")
        if self.server.close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _c_compiler() -> None:
    try:
        needs.check([needs.C_COMPILER])
    except MissingError as error:
        pytest.skip(str(error))


def test_each_request_has_a_key_of_its_own_where_that_is_asked_for(ground: Ground, tmp_path: Path) -> None:
    with serving(Server(202)) as server:
        for keyed in (True, True, False):
            load(ground, tmp_path, server.server_port, "/x", b"{}", 100, keyed=keyed)
    assert len(set(server.keys[:200])) == 200
    assert all(re.fullmatch(r'"[0-9a-f]{32}-\d{10}"', str(key)) for key in server.keys[:200])
    assert server.keys[200:] == [None] * 100


@pytest.mark.parametrize("rate", [0.0, 2000.0])
def test_every_request_is_sent_once_over_kept_connections(ground: Ground, tmp_path: Path, rate: float) -> None:
    with serving(Server(202)) as server:
        found = load(ground, tmp_path, server.server_port, "/x", b'{"a": 1}', 300, rate=rate)
    assert server.bodies == [b'{"a": 1}'] * 300
    assert len(server.connections) <= CONNECTIONS
    assert 0 < found.p50 <= found.p99


def test_a_connection_that_the_server_closes_is_opened_again(ground: Ground, tmp_path: Path) -> None:
    with serving(Server(202, close=True)) as server:
        load(ground, tmp_path, server.server_port, "/x", b"{}", 100)
    assert len(server.bodies) == len(server.connections) == 100


def test_an_answer_that_is_no_202_spoils_the_run(ground: Ground, tmp_path: Path) -> None:
    with (
        serving(Server(202, 503, 503, 202)) as server,
        pytest.raises(ContenderError, match=r"not every answer was 202: \{'202': 98, '503': 2\}"),
    ):
        load(ground, tmp_path, server.server_port, "/x", b"{}", 100)


def test_a_server_that_is_not_there_is_reported(ground: Ground, tmp_path: Path) -> None:
    with serving(Server(202)) as server:
        port = server.server_port
    with pytest.raises(ContenderError, match="connect: Connection refused"):
        load(ground, tmp_path, port, "/x", b"{}", 1)


@pytest.mark.parametrize("delay", [0, 1])
def test_the_sink_tells_every_mail_by_its_id(ground: Ground, tmp_path: Path, delay: int) -> None:
    with Sink(ground, tmp_path, delay) as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        for number in range(3):
            text = f"Subject: x\r\nMessage-ID: <{number}@here>\r\n\r\nMessage-ID: <no@header>\r\n..\r\nend"
            client.sendmail("a@example.com", ["b@example.com"], text)
        wait_until(lambda: sink.count() == 3)
        assert [mail.id for mail in sink.mails()] == ["<0@here>", "<1@here>", "<2@here>"]
        assert sorted(mail.time for mail in sink.mails()) == [mail.time for mail in sink.mails()]
