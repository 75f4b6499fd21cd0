"""Connecting: TLS, faults of ours on the connection's thread, and the end of a connection."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
from pika.exceptions import AMQPConnectionError, ProbableAccessDeniedError, ProbableAuthenticationError

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.connection import RobustConnection
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerSetupError, BrokerUnavailableError
from runner.observability.observers import attach
from tests.brokers.plans import NEXT, to, topology
from tests.brokers.rabbitmq.conftest import OpenBoth
from tests.certificates import Certificate
from tests.waiting import TIMEOUT, wait_until


@pytest.fixture
def tls_port(rabbit_node: RabbitNode, certificate: Certificate) -> Iterator[int]:
    """A port that speaks TLS, and passes on to the node."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = certificate.server_context()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                end.close()

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                secure = context.wrap_socket(plain, server_side=True)
            except (ssl.SSLError, OSError):
                plain.close()
                continue
            node = socket.create_connection(("127.0.0.1", rabbit_node.port))
            for ends in ((secure, node), (node, secure)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_certificate_that_is_trusted_is_taken(vhost: str, tls_port: int, certificate: Certificate) -> None:
    url = f"amqps://guest:guest@localhost:{tls_port}/{vhost}?cacertfile={certificate.file}"
    broker = RabbitBroker([url], "test")
    try:
        broker.start(topology(), timeout=30)
        broker.publish([to(NEXT)])
    finally:
        broker.close()


@pytest.mark.parametrize("trusted", [False, True], ids=["unknown issuer", "another host name"])
def test_a_certificate_that_cannot_be_verified_is_refused(
    vhost: str, tls_port: int, certificate: Certificate, trusted: bool
) -> None:
    host = "127.0.0.1" if trusted else "localhost"  # the certificate is of localhost alone
    query = f"?cacertfile={certificate.file}" if trusted else ""
    broker = RabbitBroker([f"amqps://guest:guest@{host}:{tls_port}/{vhost}{query}"], "test")
    with pytest.raises(BrokerUnavailableError, match="its certificate can't be verified"):
        broker.start(topology(), timeout=6)


def test_tls_to_a_port_without_it_is_reported_as_that(rabbit_node: RabbitNode, vhost: str) -> None:
    broker = RabbitBroker([rabbit_node.url(vhost).replace("amqp:", "amqps:")], "test")
    with pytest.raises(BrokerUnavailableError, match="it doesn't speak TLS on this port"):
        broker.start(topology(), timeout=6)


def test_a_certificate_file_that_is_none_is_named(certificate: Certificate, vhost: str) -> None:
    with pytest.raises(BrokerSetupError, match=r"names a certificate that can't be used: .*key\.pem"):
        RabbitBroker([f"amqps://localhost/{vhost}?cacertfile={certificate.key}"], "test")


def test_a_fault_on_the_connections_thread_keeps_nothing_else_from_being_done(
    vhost_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    opened: SimpleQueue[object] = SimpleQueue()
    busy, go_on, done = threading.Event(), threading.Event(), threading.Event()
    connection = RobustConnection(nodes(vhost_url), "test")

    def be_busy() -> None:
        busy.set()
        go_on.wait(TIMEOUT)

    connection.start(None, opened=opened.put, lost=lambda _reason: None, refused=lambda _reason: None)
    opened.get(timeout=TIMEOUT)
    connection.call(connection.later, 0, be_busy)
    assert busy.wait(TIMEOUT)
    connection.call(divmod, 1, 0)
    connection.call(done.set)
    go_on.set()
    assert done.wait(TIMEOUT)
    opened.get(timeout=TIMEOUT)  # what the fault left half done is done again
    connection.stop(TIMEOUT)
    assert "internal error: ZeroDivisionError" in caplog.text


def test_nothing_is_written_on_a_channel_that_is_being_closed(
    open_both: OpenBoth, rabbit_node: RabbitNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runner.broker")
    broker, connection = open_both(events=attach())
    told: list[object] = []
    go_on = threading.Event()
    earlier = rabbit_node.warnings().count("expected 'channel.open'")
    for function, argument in ((go_on.wait, 30), (connection.restart, "made by a test"), (time.sleep, 0.2)):
        connection.call(function, argument)
    broker.submit([to(NEXT)], told.append)  # written when RabbitMQ has closed the channel, and we haven't read so yet
    go_on.set()
    wait_until(lambda: "connected to" in caplog.text)
    assert rabbit_node.warnings().count("expected 'channel.open'") == earlier
    assert [type(error) for error in told] == [BrokerUnavailableError]
    broker.close()


@pytest.mark.parametrize(
    "answer", [b"AMQP\x00\x01\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["AMQP 1.0", "HTTP", "nothing"]
)
def test_a_port_that_speaks_another_protocol_is_reported_as_that(answer: bytes) -> None:
    def serve() -> None:
        other, _ = listener.accept()
        with other:
            other.recv(8)
            other.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        broker = RabbitBroker([f"amqp://127.0.0.1:{listener.getsockname()[1]}"], "test")
        with pytest.raises(BrokerSetupError, match=r"it doesn't speak AMQP 0-9-1 \(is it the right port\?\)"):
            broker.start(topology(), timeout=30)
        serving.join(TIMEOUT)


def test_hanging_up_closes_a_connection_that_is_half_open_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = RabbitBroker([f"amqp://127.0.0.1:{listener.getsockname()[1]}"], "test")
        with pytest.raises(BrokerUnavailableError, match="no broker answers"):
            broker.start(topology(), timeout=3)
        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(TIMEOUT)
            assert accepted.recv(8).startswith(b"AMQP")
            assert accepted.recv(1) == b""


class Waits:
    """Stands for the thread: notes how long it is to wait before each try, and tries nothing."""

    alive = True

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def later(self, delay: float, _function: object) -> None:
        self.seconds.append(delay)


@pytest.mark.parametrize(
    "error",
    [
        AMQPConnectionError(ConnectionRefusedError(111, "Connection refused")),
        AMQPConnectionError("timed out"),
        ProbableAccessDeniedError("ConnectionClosedByBroker: (541) 'INTERNAL_ERROR'"),
        ProbableAccessDeniedError("ConnectionClosedByBroker: (530) \"NOT_ALLOWED - vhost 'v' is down\""),
        ProbableAuthenticationError("StreamLostError: ('Transport indicated EOF',)"),
    ],
    ids=["refused", "timed out", "internal error", "vhost down", "hung up"],
)
def test_after_an_outage_of_minutes_a_node_is_tried_each_second(error: Exception) -> None:
    waits, refused = waiting(PASSWORD, *[error] * 300)
    assert refused == 1, "only the first is for a person"
    assert waits[:2] < [1.0, 1.0]
    assert 0.5 <= min(waits[-100:]) < max(waits[-100:]) <= 1.0
    assert len(set(waits[-100:])) > 50, "a hundred workers don't knock together"


@pytest.mark.parametrize("password", [True, False], ids=["password", "TLS"])
def test_what_a_person_has_to_mend_is_tried_less_and_less(monkeypatch: pytest.MonkeyPatch, password: bool) -> None:
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    error = PASSWORD if password else AMQPConnectionError(ssl.SSLError(1, "wrong version number"))
    waits, _ = waiting(*[error] * 10)
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    waits, _ = waiting(*[error] * 10, AMQPConnectionError(ConnectionRefusedError(111, "Connection refused")))
    assert waits[-1] == 1, "it has been stopped: it may be back at any moment"


PASSWORD = ProbableAuthenticationError("ConnectionClosedByBroker: (403) 'ACCESS_REFUSED'")


def waiting(*errors: Exception) -> tuple[list[float], int]:
    """How long is waited after each error, and how often that was a refusal."""
    refused: list[str] = []
    connection, waits = RobustConnection(nodes("amqp://localhost"), "test"), Waits()
    connection._driver = waits  # type: ignore[assignment]
    connection._lost, connection._refused = lambda _reason: None, refused.append
    for error in errors:
        connection._tried += 1
        connection._on_open_error(error)
    return waits.seconds, len(refused)
