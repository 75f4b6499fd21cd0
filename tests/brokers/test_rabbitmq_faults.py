"""What goes wrong on RabbitMQ, or is put there by other programs: it concerns nobody else."""

from __future__ import annotations

import logging
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any, get_args

import pika
import pika.data
import pytest

from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.connection import RobustConnection
from runner.brokers.rabbitmq.url import nodes
from runner.errors import PublishError
from runner.message import ATTEMPT, NOT_BEFORE, Outgoing
from runner.message import Destination as At
from runner.pipeline import Exchange, Pipeline, Queue, QueueType, Stage
from runner.retry import RetryPolicy
from runner.topology import Topology, plan, quarantine_queue
from tests.brokers.conftest import Opener
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import MORE, NEXT, RETRY_DELAY, WORK, Collector, bound, ids, to, topology
from tests.rabbitmq_node import RabbitNode
from tests.waiting import TIMEOUT, wait_until


@pytest.fixture
def place(vhost_url: str) -> RabbitPlace:
    """Only RabbitMQ here."""
    return RabbitPlace(vhost_url)


@pytest.fixture
def rabbit(open_broker: Opener) -> Callable[..., RabbitBroker]:
    def open_one(plan: Topology | None = None) -> RabbitBroker:
        broker = open_broker(plan)
        assert isinstance(broker, RabbitBroker)
        return broker

    return open_one


class MillisecondsType(int):
    """A timestamp that another program writes in milliseconds."""


@pytest.fixture
def foreign(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Publish as another program does, with timestamps of whatever size in its headers."""
    encode = pika.data.encode_value

    def encode_value(pieces: list[bytes], value: Any) -> int:
        if isinstance(value, MillisecondsType):
            pieces.append(struct.pack(">cQ", b"T", value))
            return 9
        return int(encode(pieces, value))

    monkeypatch.setattr(pika.data, "encode_value", encode_value)
    with ExitStack() as opened:

        def publish(queue: str, body: bytes = b"{}", **properties: Any) -> None:
            connection = opened.enter_context(closing(pika.BlockingConnection(pika.URLParameters(vhost_url))))
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, **properties))

        yield publish


def consumers(url: str, queue: str) -> int:
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.consumer_count)


# -- consumers -----------------------------------------------------------------------------


def test_a_queue_that_is_deleted_while_its_consumer_is_renewed_has_one_consumer_and_loses_nothing(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, vhost: str, vhost_url: str
) -> None:
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    wait_until(lambda: broker.consuming(WORK))
    for _ in range(3):
        rabbit_node.api("DELETE", f"/queues/{vhost}/{WORK}")
        for _ in range(3):  # as pacing does, or the end of a pause
            broker.cancel(WORK)
            broker.consume(WORK, 10, collector)
        wait_until(lambda: broker.consuming(WORK))
    assert consumers(vhost_url, WORK) == 1
    broker.publish([to(WORK, id=str(number)) for number in range(10)])
    taken = [collector.next() for _ in range(10)]
    for delivery in taken[:5]:
        broker.settle(delivery, [])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 5)
    rabbit_node.close_connections(vhost)
    again = []
    for _ in range(5):
        again.append(collector.next())
        broker.settle(again[-1], [])
    assert sorted(ids(again)) == sorted(ids(taken[5:])), "the settled ones are gone, the others come again"


def test_a_consumer_that_is_renewed_before_the_broker_has_confirmed_it_is_there_once(
    rabbit: Callable[..., RabbitBroker], vhost_url: str
) -> None:
    broker, collector = rabbit(), Collector()
    for _ in range(20):
        broker.consume(WORK, 5, collector)
        broker.cancel(WORK)
    broker.consume(WORK, 5, collector)
    wait_until(lambda: broker.consuming(WORK))
    assert consumers(vhost_url, WORK) == 1
    broker.publish([to(WORK)])
    broker.settle(collector.next(), [])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)


# -- messages ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 300_000])
@pytest.mark.parametrize("kind", get_args(QueueType))
def test_a_time_that_is_none_ends_no_connection_and_is_passed_on_as_it_was(
    rabbit: Callable[..., RabbitBroker],
    foreign: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    kind: QueueType,
    size: int,
) -> None:
    broker, collector = rabbit(topology(Queue(WORK, type=kind))), Collector()
    broker.consume(WORK, 10, collector)
    foreign(WORK, b"x" * size, message_id="odd", headers={"sent": MillisecondsType(1_700_000_000_000)})
    first = collector.next()
    assert (first.id, len(first.payload), first.headers) == ("odd", size, {"sent": 1_700_000_000_000})
    broker.settle(first, [Outgoing(At("", WORK), "odd", first.payload, first.headers, origin=first)])
    assert collector.next().headers == {"sent": 1_700_000_000_000}
    assert "connection" not in caplog.text


def test_a_message_without_an_id_gets_one_that_lasts(
    rabbit: Callable[..., RabbitBroker], foreign: Callable[..., None], hold: Callable[..., Any]
) -> None:
    broker = rabbit()
    foreign(WORK)
    holder = hold(WORK)
    (given,) = holder.take(1)
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 1)  # the one without an id is acked
    holder.kill()
    assert hold(WORK).take(1) == {given: 2}


def fill(broker: RabbitBroker) -> Iterator[str]:
    """Publish until it is refused: RabbitMQ sees a little late that a quorum queue is full."""
    for number in range(1000):
        try:
            broker.publish([to(WORK, id=f"other{number}")])
        except PublishError:
            return
        yield f"other{number}"
    raise AssertionError("the queue never was full")


def test_what_is_given_back_to_a_full_queue_goes_there_when_it_has_room(rabbit: Callable[..., RabbitBroker]) -> None:
    broker = rabbit(topology(Queue(WORK, max_length=2)))

    class GivingBack(Collector):
        def settle_failed(self, delivery: Any, error: Any) -> None:
            super().settle_failed(delivery, error)
            moved = [message for message, _ in error.refused]
            threading.Timer(0.2, broker.settle, [delivery, moved]).start()

    collector = GivingBack()
    broker.consume(WORK, 4, collector)
    for number in range(4):
        broker.publish([to(WORK, id=f"held{number}")])
        collector.wait(number + 1)
    broker.cancel(WORK)
    others = list(fill(broker))
    broker.release(collector.wait(4))
    collector.failure()
    later = Collector()
    broker.consume(WORK, 100, later)
    for count in range(1, 5 + len(others)):
        delivery = later.wait(count)[count - 1]
        assert delivery.attempt == 1
    assert sorted(ids(later.deliveries)) == sorted([*others, "held0", "held1", "held2", "held3"])


def test_what_does_not_fit_into_a_frame_is_moved_on_without_its_senders_headers(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, caplog: pytest.LogCaptureFixture
) -> None:
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="p1", headers={"large": "x" * 100_000})])
    delivery = collector.next()
    headers = {**delivery.headers, "runner-error": "y" * 40_000, ATTEMPT: 1}
    broker.settle(delivery, [Outgoing(At("", NEXT), "p1", b"{}", headers, origin=delivery)])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)
    (stored,) = place.contents(NEXT)
    assert (stored.id, set(stored.headers)) == ("p1", {"runner-error", ATTEMPT})
    assert "message p1 is moved on without its sender's headers" in caplog.text


def test_headers_nested_too_deep_to_be_written_are_left_behind(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace
) -> None:
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="p1")])
    delivery = collector.next()
    nested: dict[str, Any] = {}
    for _ in range(2000):
        nested = {"a": nested}
    headers = {"theirs": nested, "runner-error": "x", ATTEMPT: 1}
    broker.settle(delivery, [Outgoing(At("", NEXT), "p1", b"{}", headers, origin=delivery)])
    wait_until(lambda: place.contents(NEXT))
    (stored,) = place.contents(NEXT)
    assert set(stored.headers) == {"runner-error", ATTEMPT}


@pytest.mark.parametrize("delay", [0, RETRY_DELAY])
def test_what_comes_back_is_told_of_the_message_that_came_back(
    rabbit: Callable[..., RabbitBroker], delay: float
) -> None:
    """An id is the same in all stages: two messages of one id may be outstanding."""
    exchanges = [Exchange("good", "direct"), Exchange("bad", "direct")]
    broker, collector = rabbit(topology(bound("paid", "good", "k"), exchanges=exchanges)), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="same"), to(WORK, id="same")])
    first, second = collector.wait(2)
    go_on = threading.Event()
    # Both are then written before either is confirmed.
    broker._connection.call(go_on.wait, TIMEOUT)  # type: ignore[arg-type]
    good = At("", WORK) if delay else At("good", "k")
    broker.settle(first, [Outgoing(good, "same", b"{}", {ATTEMPT: 1} if delay else {}, delay=delay)])
    broker.settle(second, [Outgoing(At("bad", "k"), "same", b"{}")])
    go_on.set()
    failed, _error = collector.failure()
    assert failed is second


def test_a_retry_that_waits_for_a_stage_without_retries_any_more_ends_no_connection(
    rabbit: Callable[..., RabbitBroker], foreign: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage("s", WORK, "unused:unused", retry=RetryPolicy(attempts=1))
    broker = rabbit(plan(Pipeline("p", Path("p.yaml"), (), {WORK: Queue(WORK)}, {"s": stage}, {})))
    collector = Collector()
    broker.consume(WORK, 10, collector)
    foreign(WORK, message_id="waits", headers={NOT_BEFORE: 1 << 42, ATTEMPT: 1})
    delivery = collector.next()
    assert (delivery.id, delivery.attempt) == ("waits", 2)
    assert "connection" not in caplog.text


def test_a_broker_that_does_not_answer_is_waited_for_once(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, collector = rabbit(), Collector()
    for queue in (WORK, MORE):
        broker.consume(queue, 10, collector)
    wait_until(lambda: broker.consuming(WORK) and broker.consuming(MORE))
    second = threading.Thread(target=broker.cancel, args=[MORE])
    with rabbit_node.frozen():
        monkeypatch.setattr("runner.brokers.rabbitmq.broker.CANCEL_TIMEOUT", 0.1)
        broker.cancel(WORK)
        monkeypatch.setattr("runner.brokers.rabbitmq.broker.CANCEL_TIMEOUT", 600)
        second.start()
        second.join(TIMEOUT)
        assert not second.is_alive()
    wait_until(lambda: not broker.consuming(MORE))


# -- a channel that somebody else's publish has closed --------------------------------------


def test_what_is_lost_with_the_publishing_channel_is_published_again_and_is_nobodys_failure(
    rabbit: Callable[..., RabbitBroker],
    place: RabbitPlace,
    rabbit_node: RabbitNode,
    vhost: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    broker = rabbit(topology(bound("paid", "events", "k"), exchanges=[Exchange("events", "direct")]))

    class Forwarding(Collector):
        def deliver(self, deliveries: Any) -> None:
            super().deliver(deliveries)
            for delivery in deliveries:
                broker.settle(delivery, [to(NEXT, id=delivery.id)])

    collector = Forwarding()
    rabbit_node.api("DELETE", f"/exchanges/{vhost}/events")
    broker.publish([to(WORK, id=str(number)) for number in range(300)])
    broker.submit([Outgoing(At("events", "k"), "no exchange", b"{}")], lambda _error: None)
    broker.consume(WORK, 300, collector)
    broker.submit([Outgoing(At("events", "k"), "no exchange", b"{}")], lambda _error: None)
    wait_until(lambda: {stored.id for stored in place.contents(NEXT)} == set(map(str, range(300))))
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)
    assert collector.failures == []
    assert {delivery.attempt for delivery in collector.deliveries} == {1}


def test_a_publishing_channel_that_is_long_in_coming_back_is_waited_for(
    rabbit: Callable[..., RabbitBroker],
    place: RabbitPlace,
    rabbit_node: RabbitNode,
    vhost: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr("runner.brokers.rabbitmq.repairs.REPAIR_DELAY", 0.05)
    broker, collector = rabbit(topology(exchanges=[Exchange("events", "direct")])), Collector()
    broker.publish([to(WORK, id="p1")])
    broker.consume(WORK, 10, collector)
    delivery = collector.next()
    rabbit_node.api("DELETE", f"/exchanges/{vhost}/events")
    broker.submit([Outgoing(At("events", "k"), "no exchange", b"{}")], lambda _error: None)
    wait_until(lambda: not broker.available)
    with rabbit_node.frozen():
        broker.settle(delivery, [to(NEXT, id="p1")])
        time.sleep(1)  # many times the delay: nothing is to come of it, which can't be waited for
        assert collector.failures == []
    wait_until(lambda: ids(place.contents(NEXT)) == ["p1"])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)


def test_what_is_in_hand_leaves_well_though_the_publishing_channel_was_just_closed(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id=str(number)) for number in range(10)])
    handled, *waiting = collector.wait(10)
    broker.submit([Outgoing(At("nowhere", "k"), "no exchange", b"{}")], lambda _error: None)
    broker.settle(handled, [to(NEXT, id=handled.id)])
    broker.release(waiting)
    broker.close()
    assert ids(place.contents(NEXT)) == [handled.id]
    later = Collector()
    rabbit().consume(WORK, 10, later)
    assert {(delivery.attempt, delivery.deaths) for delivery in later.wait(9)} == {(1, 0)}


def test_what_is_given_back_twice_goes_back_once(rabbit: Callable[..., RabbitBroker], place: RabbitPlace) -> None:
    """A stop gives back all that is in hand, and so does a consumer that gets it only then."""
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="p1")])
    delivery = collector.next()
    broker.cancel(WORK)
    broker.release([delivery])
    broker.release([delivery])
    broker.close()
    assert ids(place.contents(WORK)) == ["p1"]


# -- our own faults -------------------------------------------------------------------------


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
    opened.get(timeout=TIMEOUT)  # what the fault has left half done is done anew
    connection.stop(TIMEOUT)
    assert "internal fault: ZeroDivisionError" in caplog.text


# -- the quarantines -----------------------------------------------------------------------


def test_the_quarantines_of_a_process_take_turns(rabbit: Callable[..., RabbitBroker]) -> None:
    broker, collector = rabbit(), Collector()
    broker.publish([to(quarantine_queue(MORE), id=f"more{number}") for number in range(20)])
    broker.publish([to(quarantine_queue(WORK), id="work")])
    for queue in (WORK, MORE):
        broker.consume(queue, 10, collector)
    seen = []
    for _ in range(3):
        delivery = collector.next()
        seen.append(delivery.id)
        broker.settle(delivery, [])
    assert "work" in seen


def test_what_is_released_from_the_quarantine_keeps_its_deaths(
    rabbit: Callable[..., RabbitBroker], hold: Callable[..., Any]
) -> None:
    broker = rabbit()
    broker.publish([to(WORK, id="killer")])
    for attempt in (1, 2, 3):
        holder = hold(WORK)
        assert holder.take(1) == {"killer": attempt}
        holder.kill()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    held = collector.next()
    assert (held.attempt, held.deaths) == (4, 3)
    broker.release([held])
    again = collector.next()
    assert (again.attempt, again.deaths) == (4, 3)
