"""What only RabbitMQ has: TLS, other programs' properties, waits made of several, classic queues."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika
import pytest
import uvloop

from runner.brokers.base import Depth
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.errors import BrokerAwayError, BrokerSetupError, BrokerUnavailableError, PublishError
from runner.message import ATTEMPT, Delivery, Destination, Outgoing
from runner.pipeline import Queue
from tests.brokers.conftest import Opener
from tests.brokers.holder import Holder
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import NEXT, RETRY_DELAY, WORK, Collector, to, topology
from tests.certificates import Certificate
from tests.rabbitmq_node import RabbitNode
from tests.waiting import wait_until


@pytest.fixture
def place(vhost_url: str) -> RabbitPlace:
    """Only RabbitMQ here."""
    return RabbitPlace(vhost_url)


def put(url: str, queue: str, body: bytes = b"{}", **properties: Any) -> None:
    """Publish as another program does."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True)


def taken(url: str, queue: str) -> tuple[pika.BasicProperties, bytes]:
    """The one message on a queue, with all its properties."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        _, properties, body = channel.basic_get(queue, auto_ack=True)
        assert properties is not None
        return properties, body


def retry(delivery: Delivery, delay: float) -> Outgoing:
    headers = {**delivery.headers, ATTEMPT: delivery.attempt}
    home = Destination("", delivery.queue)
    return Outgoing(home, delivery.id, delivery.payload, headers, delay=delay, origin=delivery)


# -- TLS ------------------------------------------------------------------------------------


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
        broker.start(topology(), timeout=3)


def test_tls_to_a_port_without_it_is_told_as_that(rabbit_node: RabbitNode, vhost: str) -> None:
    broker = RabbitBroker([rabbit_node.url(vhost).replace("amqp:", "amqps:")], "test")
    with pytest.raises(BrokerUnavailableError, match="it doesn't speak TLS on this port"):
        broker.start(topology(), timeout=3)


def test_a_certificate_file_that_is_none_is_named(certificate: Certificate, vhost: str) -> None:
    with pytest.raises(BrokerSetupError, match=r"names a certificate that can't be used: .*key\.pem"):
        RabbitBroker([f"amqps://localhost/{vhost}?cacertfile={certificate.key}"], "test")


# -- other programs ------------------------------------------------------------------------------


PROPERTIES: Mapping[str, Any] = {
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "correlation_id": "c-1",
    "reply_to": "elsewhere",
    "message_id": "m-1",
    "timestamp": 1_700_000_000,
    "type": "payment",
    "app_id": "shop",
}


def test_a_senders_properties_survive_a_retry_and_a_death(
    place: RabbitPlace, open_broker: Opener, hold: Callable[..., Holder]
) -> None:
    broker = open_broker()
    put(place.address, WORK, b'{"n": 1}', headers={"trace": "abc"}, **PROPERTIES)
    holder = hold(WORK)
    holder.take(1)
    holder.kill()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    (second,) = collector.wait(1)
    assert (second.id, second.attempt, dict(second.headers)) == ("m-1", 2, {"trace": "abc"})
    broker.settle(second, [retry(second, RETRY_DELAY)])
    third = collector.wait(2)[1]
    assert (third.id, third.attempt, dict(third.headers)) == ("m-1", 3, {"trace": "abc"})
    home = Destination("", NEXT)
    broker.settle(third, [Outgoing(home, third.id, third.payload, third.headers, origin=third)])
    wait_until(lambda: place.contents(NEXT))
    properties, body = taken(place.address, NEXT)
    assert body == b'{"n": 1}'
    assert {name: getattr(properties, name) for name in PROPERTIES} == PROPERTIES
    assert properties.delivery_mode == 2


def test_what_was_to_expire_does_not_vanish_from_where_it_is_moved(place: RabbitPlace, open_broker: Opener) -> None:
    broker = open_broker()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    put(place.address, WORK, expiration="60000", message_id="m-1")
    (delivery,) = collector.wait(1)
    broker.settle(delivery, [Outgoing(Destination("", NEXT), delivery.id, b"{}", origin=delivery)])
    wait_until(lambda: place.contents(NEXT))
    properties, _ = taken(place.address, NEXT)
    assert properties.expiration is None


@pytest.mark.parametrize("attempt", ["five", -1, None, True, [1]])
def test_a_foreign_attempt_header_that_makes_no_sense_counts_as_none(
    place: RabbitPlace, open_broker: Opener, attempt: object
) -> None:
    broker = open_broker()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    put(place.address, WORK, headers={ATTEMPT: attempt})
    assert collector.next().attempt == 1


def test_a_header_of_any_type_travels_through_a_retry(place: RabbitPlace, open_broker: Opener) -> None:
    headers = {
        "text": "Žofie",
        "bytes": b"\xff\x00",
        "small": -1,
        "large": 1 << 40,
        "yes": True,
        "none": None,
        "decimal": Decimal("-12.50"),
        "time": datetime(2031, 12, 31, 23, 59, 59, tzinfo=UTC),
        "list": [1, "two", [False, None]],
        "table": {"a": {"b": 1}},
    }
    broker = open_broker()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    put(place.address, WORK, headers=headers, message_id="m-1")
    first = collector.next()
    broker.settle(first, [retry(first, RETRY_DELAY)])
    second = collector.next()
    assert dict(first.headers) == dict(second.headers) == headers
    assert broker.available


@pytest.mark.parametrize("header", [1 << 64, object(), Decimal("1E+30"), "x" * 200_000], ids=lambda h: type(h).__name__)
def test_a_header_that_amqp_cannot_hold_is_refused_and_nothing_else_is_hurt(
    place: RabbitPlace, open_broker: Opener, header: object
) -> None:
    broker = open_broker()
    with pytest.raises(PublishError, match="header"):
        broker.publish([to(NEXT, headers={"odd": header}), to(NEXT, id="m-1")])
    assert [message.id for message in place.contents(NEXT)] == ["m-1"]


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 1_000_000])
def test_a_body_of_any_size_is_cut_into_frames_and_put_together_again(
    place: RabbitPlace, open_broker: Opener, size: int
) -> None:
    body = bytes(n % 251 for n in range(size))
    open_broker().publish([to(NEXT, body)])
    assert [message.payload for message in place.contents(NEXT)] == [body]


# -- waits ------------------------------------------------------------------------------------------


def test_a_wait_that_is_longer_than_the_longest_queue_for_it_is_made_of_several(
    place: RabbitPlace, open_broker: Opener
) -> None:
    broker = open_broker()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="m-1")])
    first = collector.next()
    asked = time.monotonic()
    broker.settle(first, [retry(first, RETRY_DELAY * 3)])
    second = collector.next()
    assert time.monotonic() - asked >= RETRY_DELAY * 3 - 0.05
    assert (second.id, second.attempt, dict(second.headers)) == ("m-1", 2, {})


# -- classic queues ------------------------------------------------------------------------------------


def test_a_classic_queue_counts_the_deaths_of_its_holders_too(
    rabbit_node: RabbitNode, vhost: str, open_broker: Opener
) -> None:
    broker = open_broker(topology(Queue(WORK, type="classic")))
    broker.publish([to(WORK, id="m-1")])
    collector = Collector()
    broker.consume(WORK, 10, collector)
    for attempt in (1, 2, 3):
        delivery = collector.next()
        assert (delivery.id, delivery.attempt) == ("m-1", attempt)
        rabbit_node.close_connections(vhost)


# -- on somebody else's loop ------------------------------------------------------------------


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs in a thread."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def on_loop(vhost_url: str, loop: asyncio.AbstractEventLoop) -> Iterator[RabbitBroker]:
    broker = RabbitBroker([vhost_url], "test")
    broker.start(topology(), timeout=30, loop=loop)
    yield broker
    broker.close()


def test_on_a_loop_it_starts_no_thread_and_answers_there(
    on_loop: RabbitBroker, loop: asyncio.AbstractEventLoop
) -> None:
    told: list[tuple[str, object]] = []
    ended = threading.Event()

    def done(error: object) -> None:
        told.append((threading.current_thread().name, error))
        ended.set()

    loop.call_soon_threadsafe(on_loop.submit, [to(NEXT), to(NEXT)], done)
    assert ended.wait(10)
    assert told == [("loop", None)]
    assert not [thread for thread in threading.enumerate() if thread.name == "rabbitmq"]


def test_on_a_loop_it_may_be_asked_from_any_thread(on_loop: RabbitBroker) -> None:
    on_loop.publish([to(NEXT)])
    assert on_loop.depths([NEXT])[NEXT].ready == 1
    collector = Collector()
    on_loop.consume(NEXT, 10, collector)
    wait_until(lambda: collector.deliveries)
    on_loop.settle(collector.deliveries[0], [])
    wait_until(lambda: on_loop.depths([NEXT])[NEXT] == Depth(consumers=1))
    on_loop.cancel(NEXT)


def test_on_a_loop_it_connects_again(on_loop: RabbitBroker, rabbit_node: RabbitNode, vhost: str) -> None:
    wait_until(lambda: rabbit_node.close_connections(vhost))
    wait_until(lambda: not on_loop.available)
    wait_until(lambda: on_loop.available)
    on_loop.publish([to(NEXT)])


@pytest.mark.parametrize("where", ["a thread", "a loop"])
def test_what_the_system_does_not_take_at_once_arrives_whole(
    where: str, vhost_url: str, request: pytest.FixtureRequest
) -> None:
    broker = RabbitBroker([vhost_url], "test")
    broker.start(topology(), timeout=30, loop=request.getfixturevalue("loop") if where == "a loop" else None)
    sent = {f"{n:032}": bytes([n]) * (1_500_000 if n % 2 else n + 1) for n in range(40)}
    broker.publish([to(NEXT, body, id=message_id) for message_id, body in sent.items()], timeout=60)
    collector = Collector()
    broker.consume(NEXT, 40, collector)
    wait_until(lambda: len(collector.deliveries) == len(sent))
    assert {delivery.id: delivery.payload for delivery in collector.deliveries} == sent
    broker.close()


def test_on_a_loop_closing_hangs_up(on_loop: RabbitBroker, rabbit_node: RabbitNode, vhost: str) -> None:
    wait_until(lambda: len(rabbit_node.connections(vhost)) == 1)
    on_loop.close()
    wait_until(lambda: not rabbit_node.connections(vhost))
    with pytest.raises(BrokerAwayError):
        on_loop.publish([to(NEXT)])


@pytest.mark.parametrize("where", ["a thread", "a loop"])
def test_a_fault_of_ours_costs_the_connection_and_no_more(
    place: RabbitPlace, where: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    broker: RabbitBroker
    if where == "a loop":
        broker = request.getfixturevalue("on_loop")
    else:
        broker = RabbitBroker([place.url], "test")
        broker.start(topology(), timeout=30)

    def fail() -> None:
        raise ZeroDivisionError("made by a test")

    caplog.set_level(logging.INFO, "runner.broker")
    broker._connection.call(fail)
    wait_until(lambda: "connected to" in caplog.text)
    assert "fault on the broker connection" in caplog.text
    assert "made by a test" in caplog.text
    broker.publish([to(NEXT)])
    broker.close()


def test_nothing_is_written_on_a_channel_that_is_being_closed(
    place: RabbitPlace, rabbit_node: RabbitNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runner.broker")
    broker = RabbitBroker([place.url], "test")
    broker.start(topology(), timeout=30)
    told: list[object] = []
    go_on = threading.Event()
    earlier = rabbit_node.warnings().count("expected 'channel.open'")
    for function, argument in ((go_on.wait, 30), (broker._connection.restart, "made by a test"), (time.sleep, 0.2)):
        broker._connection.call(function, argument)  # type: ignore[arg-type]
    broker.submit([to(NEXT)], told.append)  # written when RabbitMQ has closed the channel, and we haven't read so yet
    go_on.set()
    wait_until(lambda: "connected to" in caplog.text)
    assert rabbit_node.warnings().count("expected 'channel.open'") == earlier
    assert [type(error) for error in told] == [BrokerUnavailableError]
    broker.close()
