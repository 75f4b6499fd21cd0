"""The contract of `runner.brokers.base`, sentence by sentence, on both brokers; what comes again is in
`test_contract_returns`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from bench.ports import free_port
from runner.brokers.base import Broker, Depth
from runner.errors import BrokerError, BrokerUnavailableError, PublishError
from runner.events import Events
from runner.message import ATTEMPT, ERROR, LONGEST_ERROR, Destination, Outgoing, new_id
from runner.pipeline import Exchange, ExchangeType, Queue
from tests.brokers.conftest import Opener
from tests.brokers.holder import Holder, broker_at
from tests.brokers.places import Place
from tests.brokers.plans import MORE, NEXT, RETRY_DELAY, WORK, bound, consume, depth, ids, retry_of, to, topology
from tests.waiting import wait_until
from tests.watching import Journal

Hold = Callable[..., Holder]


def fill(broker: Broker, queue: str) -> list[str]:
    """Publish until the queue is full (RabbitMQ's limit is approximate): what was confirmed."""
    confirmed: list[str] = []
    for message in [to(queue) for _ in range(20)]:
        try:
            broker.publish([message])
        except PublishError:
            return confirmed
        confirmed.append(message.id)
    raise AssertionError(f"{queue} is never full")


# -- publish ---------------------------------------------------------------------------------


def test_a_submit_is_answered_once_it_is_durable(broker: Broker, place: Place) -> None:
    told: SimpleQueue[tuple[list[str], BrokerError | None]] = SimpleQueue()
    broker.submit([to(NEXT, id="p1")], lambda error: told.put((ids(place.contents(NEXT)), error)))
    assert told.get(timeout=30) == (["p1"], None)
    broker.submit([to(NEXT), to("nowhere", id="p2")], lambda error: told.put(([], error)))
    _, error = told.get(timeout=30)
    assert isinstance(error, PublishError)
    assert [message.id for message, _ in error.refused] == ["p2"]
    broker.close()
    with pytest.raises(BrokerUnavailableError):
        broker.submit([to(NEXT)], lambda error: told.put(([], error)))
    assert told.empty()


def test_what_is_sent_is_unconfirmed_until_it_is_stored(broker: Broker) -> None:
    answered = threading.Event()
    broker.submit([to(NEXT) for _ in range(500)], lambda _error: answered.set())
    assert 0 <= broker.unconfirmed <= 500
    assert answered.wait(30)
    wait_until(lambda: broker.unconfirmed == 0)


def test_on_a_loop_a_submit_is_answered_there(loop: asyncio.AbstractEventLoop, open_broker: Opener) -> None:
    broker = open_broker(loop=loop)
    told: SimpleQueue[tuple[str, type[BrokerError] | None]] = SimpleQueue()

    def done(error: BrokerError | None) -> None:
        told.put((threading.current_thread().name, type(error) if error else None))

    loop.call_soon_threadsafe(broker.submit, [to(NEXT), to(NEXT)], done)
    assert told.get(timeout=30) == ("loop", None)
    broker.submit([to("nowhere")], done)
    assert told.get(timeout=30) == ("loop", PublishError)


def test_on_a_loop_it_may_be_asked_from_any_thread(loop: asyncio.AbstractEventLoop, open_broker: Opener) -> None:
    broker = open_broker(loop=loop)
    broker.publish([to(NEXT)])
    assert depth(broker, NEXT).ready == 1
    collector = consume(broker, NEXT)
    broker.settle(collector.next(), [])
    wait_until(lambda: depth(broker, NEXT) == Depth(consumers=1))
    broker.cancel(NEXT)
    broker.close()
    with pytest.raises(BrokerUnavailableError):
        broker.publish([to(NEXT)])


def test_a_published_message_outlives_the_broker_object(open_broker: Opener, place: Place) -> None:
    broker = open_broker()
    broker.publish([to(NEXT, b'{"paid": true}', id="p1")])
    broker.close()
    assert place.contents(NEXT) == [("p1", b'{"paid": true}', {})]


def test_a_confirmed_message_outlives_a_publisher_that_is_killed(broker: Broker, hold: Hold, place: Place) -> None:
    publisher = hold()
    publisher.order(f"publish {NEXT} p1")
    assert next(publisher.lines()) == {"published": "p1"}
    publisher.kill()
    assert ids(place.contents(NEXT)) == ["p1"]


def test_a_message_for_a_queue_that_does_not_exist_is_refused_by_name(broker: Broker) -> None:
    with pytest.raises(PublishError, match=r"nowhere: .*no queue"):
        broker.publish([to("nowhere")])


def test_only_the_refused_are_named_and_all_others_are_stored(broker: Broker, place: Place) -> None:
    lost = [to("nowhere"), to("nirgends")]
    with pytest.raises(PublishError) as caught:
        broker.publish([to(NEXT, id="p1"), lost[0], to(NEXT, id="p2"), lost[1], to(NEXT, id="p3")])
    assert {message.id for message, _ in caught.value.refused} == {message.id for message in lost}
    assert ids(place.contents(NEXT)) == ["p1", "p2", "p3"]


def test_a_full_queue_refuses_and_holds_exactly_what_it_confirmed(open_broker: Opener, place: Place) -> None:
    broker = open_broker(topology(Queue("small", max_length=3)))
    confirmed = fill(broker, "small")
    assert len(confirmed) >= 3
    assert ids(place.contents("small")) == confirmed


def test_a_message_for_an_exchange_that_leads_nowhere_is_refused(open_broker: Opener) -> None:
    broker = open_broker(topology(bound("invoices", "events", "invoice.*"), exchanges=[Exchange("events", "topic")]))
    with pytest.raises(PublishError, match=r"events/order\.paid"):
        broker.publish([Outgoing(Destination("events", "order.paid"), new_id(), b"{}")])


ROUTES: list[tuple[ExchangeType, list[str], str, bool]] = [
    ("direct", ["red"], "red", True),
    ("direct", ["red"], "red.dark", False),
    ("direct", ["red", "blue"], "blue", True),
    ("direct", ["*"], "red", False),
    ("fanout", [""], "anything", True),
    ("topic", ["order.*"], "order.paid", True),
    ("topic", ["order.*"], "order", False),
    ("topic", ["order.*"], "order.paid.late", False),
    ("topic", ["order.#"], "order", True),
    ("topic", ["order.#"], "order.paid.late", True),
    ("topic", ["#.late"], "order.paid.late", True),
    ("topic", ["*.paid.#"], "order.paid", True),
    ("topic", ["#"], "", True),
    ("topic", ["order.paid", "order.#"], "order.paid", True),
    ("topic", ["order+paid"], "orderxpaid", False),
]


def test_exchanges_route_as_amqp_says(open_broker: Opener, place: Place) -> None:
    exchanges = [Exchange(f"x{number}", kind) for number, (kind, *_) in enumerate(ROUTES)]
    queues = [bound(f"q{number}", f"x{number}", *keys) for number, (_, keys, *_) in enumerate(ROUTES)]
    broker = open_broker(topology(*queues, exchanges=exchanges))
    led = []
    for number, (_, _, key, _) in enumerate(ROUTES):
        try:
            broker.publish([Outgoing(Destination(f"x{number}", key), new_id(), b"{}")])
        except PublishError:
            led.append(False)
        else:
            led.append(True)
    assert led == [expected for *_, expected in ROUTES]
    assert [len(place.contents(queue.name)) for queue in queues] == [int(expected) for *_, expected in ROUTES]


def test_a_message_reaches_every_queue_that_is_bound_to_its_exchange(open_broker: Opener, place: Place) -> None:
    queues = [bound("mail", "paid", ""), bound("ledger", "paid", "")]
    broker = open_broker(topology(*queues, exchanges=[Exchange("paid", "fanout")]))
    broker.publish([Outgoing(Destination("paid", ""), "p1", b"{}")])
    assert ids(place.contents("mail")) == ids(place.contents("ledger")) == ["p1"]


def test_nothing_to_publish_is_published_at_once(broker: Broker) -> None:
    broker.publish([])


def test_ten_thousand_messages_are_published_by_one_call_in_order(broker: Broker) -> None:
    sent = [to(WORK) for _ in range(10_000)]
    broker.publish(sent, timeout=60)
    assert depth(broker).ready == 10_000
    assert ids(consume(broker, prefetch=10_000).wait(10_000)) == ids(sent)


def test_many_threads_publish_at_the_same_time(broker: Broker, place: Place) -> None:
    sent = [to(NEXT) for _ in range(400)]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda message: broker.publish([message], timeout=30), sent))
    assert sorted(ids(place.contents(NEXT))) == sorted(ids(sent))


# -- what travels ----------------------------------------------------------------------------


BODIES = {
    "empty": b"",
    "a zero byte": b"\x00",
    "not JSON": b"\xff\xfe\x00 not JSON \x80",
    "unicode": '{"name": "Žofia Ünïcode 💳"}'.encode(),
    "one MiB": bytes(range(256)) * 4096,
}


def test_bodies_travel_unharmed(broker: Broker) -> None:
    broker.publish([to(WORK, body, id=name) for name, body in BODIES.items()])
    arrived = consume(broker).wait(len(BODIES))
    assert {delivery.id: delivery.payload for delivery in arrived} == BODIES


HEADERS: dict[str, Any] = {
    "text": "Žofia 💳",
    "http-x-request-id": "r-1",
    "empty": "",
    "whole": -7,
    "large": 2**53 + 1,
    "fraction": 0.1,
    "yes": True,
    "no": False,
    "nothing": None,
    "list": [1, "two", None],
    "table": {"deep": {"deeper": [True]}},
}


def test_headers_travel_unharmed_through_a_settlement_and_a_retry(broker: Broker) -> None:
    collector = consume(broker)
    broker.publish([to(WORK, headers=HEADERS)])
    first = collector.next()
    broker.settle(first, [to(WORK, headers=first.headers, delay=RETRY_DELAY, origin=first)])
    second = collector.next()
    broker.settle(second, [to(MORE, headers=second.headers)])
    assert first.headers == second.headers == HEADERS
    assert consume(broker, MORE).next().headers == HEADERS


def test_what_the_runner_writes_is_not_among_a_deliverys_headers(broker: Broker) -> None:
    broker.publish([to(WORK, headers={"mine": 1, ATTEMPT: 3, "runner-error": "down"})])
    delivery = consume(broker).next()
    assert (dict(delivery.headers), delivery.attempt, delivery.error) == ({"mine": 1}, 4, "down")


@pytest.mark.parametrize("garbage", [5, True, None, ["down"], {"a": "b"}])
def test_a_foreign_error_header_that_makes_no_sense_tells_nothing(broker: Broker, garbage: Any) -> None:
    broker.publish([to(WORK, headers={ERROR: garbage})])
    assert consume(broker).next().error == ""


def test_what_is_released_comes_again_with_its_last_error(broker: Broker) -> None:
    broker.publish([to(WORK, headers={ATTEMPT: 3, ERROR: "down" * 1000})])
    collector = consume(broker)
    broker.release([collector.next()])
    delivery = collector.next()
    assert (delivery.attempt, delivery.error) == (4, ("down" * 1000)[:LONGEST_ERROR])


def test_a_message_without_headers_has_none(broker: Broker) -> None:
    broker.publish([to(WORK)])
    assert dict(consume(broker).next().headers) == {}


def test_ids_are_kept_whatever_they_are(broker: Broker) -> None:
    names = ["1", "a b", "ž💳", "x" * 200]
    broker.publish([to(WORK, id=name) for name in names])
    assert ids(consume(broker).wait(len(names))) == names


def test_a_foreign_message_without_an_id_gets_one(broker: Broker, place: Place) -> None:
    for _ in range(2):
        place.put_foreign(WORK, b"{}")
    first, second = consume(broker).wait(2)
    assert first.id
    assert second.id
    assert first.id != second.id


# -- consume ---------------------------------------------------------------------------------


def test_a_delivery_says_what_it_is(broker: Broker) -> None:
    broker.publish([to(WORK, b'{"n": 1}', id="p1")])
    delivery = consume(broker).next()
    assert (delivery.queue, delivery.id, delivery.payload, delivery.attempt) == (WORK, "p1", b'{"n": 1}', 1)
    assert delivery.session.open


def test_no_more_than_prefetch_are_in_hand_and_settling_one_brings_the_next(broker: Broker) -> None:
    broker.publish([to(WORK, id=str(number)) for number in range(10)])
    collector = consume(broker, prefetch=3)
    first = collector.wait(3)
    wait_until(lambda: depth(broker).in_hand == 3)
    assert depth(broker).ready == 7
    broker.settle(first[0], [])
    assert ids(collector.wait(4)) == ["0", "1", "2", "3"]
    wait_until(lambda: depth(broker) == Depth(ready=6, in_hand=3, consumers=1))
    assert len(collector.deliveries) == 4


def test_what_arrives_later_is_delivered_without_being_asked_for(broker: Broker, open_broker: Opener) -> None:
    collector = consume(broker)
    wait_until(lambda: broker.consuming(WORK))
    open_broker(name="another").publish([to(WORK, id="p1")])
    assert collector.next().id == "p1"


def test_two_consumers_share_a_queue_and_no_message_goes_to_both(broker: Broker, open_broker: Opener) -> None:
    one, two = consume(broker, prefetch=20), consume(open_broker(name="another"), prefetch=20)
    broker.publish([to(WORK, id=str(number)) for number in range(40)])
    one.wait(20)
    two.wait(20)
    taken = ids(one.deliveries) + ids(two.deliveries)
    assert sorted(taken, key=int) == [str(number) for number in range(40)]


def test_two_queues_are_consumed_side_by_side(broker: Broker) -> None:
    work, more = consume(broker, WORK), consume(broker, MORE)
    broker.publish([to(WORK, id="w"), to(MORE, id="m")])
    assert (work.next().id, more.next().id) == ("w", "m")


def test_consuming_tells_whether_this_process_is_registered(broker: Broker, open_broker: Opener) -> None:
    another = open_broker(name="another")
    assert not broker.consuming(WORK)
    consume(broker)
    wait_until(lambda: broker.consuming(WORK))
    assert not broker.consuming(MORE)
    assert not another.consuming(WORK)
    broker.cancel(WORK)
    wait_until(lambda: not broker.consuming(WORK))


def test_cancel_stops_deliveries_and_what_is_in_hand_can_still_be_settled(broker: Broker, place: Place) -> None:
    collector = consume(broker)
    broker.publish([to(WORK, id="before")])
    delivery = collector.next()
    broker.cancel(WORK)
    broker.publish([to(WORK, id="after")])
    broker.settle(delivery, [to(NEXT, id="result")])
    wait_until(lambda: depth(broker) == Depth(ready=1))
    assert not collector.deliveries
    assert ids(place.contents(NEXT)) == ["result"]


def test_a_queue_that_was_cancelled_can_be_consumed_again(broker: Broker) -> None:
    first = consume(broker)
    broker.publish([to(WORK, id="held")])
    held = first.next()
    broker.cancel(WORK)
    second = consume(broker)
    broker.publish([to(WORK, id="fresh")])
    assert second.next().id == "fresh"
    broker.settle(held, [])
    wait_until(lambda: depth(broker) == Depth(in_hand=1, consumers=1))
    assert not first.deliveries


# -- settle ----------------------------------------------------------------------------------


def test_settle_publishes_and_then_the_delivery_is_gone(open_broker: Opener, place: Place) -> None:
    broker = open_broker()
    collector = consume(broker)
    broker.publish([to(WORK, id="p1")])
    broker.settle(collector.next(), [to(NEXT, b"1", id="p1.1"), to(NEXT, b"2", id="p1.2")])
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    broker.close()
    assert [stored[:2] for stored in place.contents(NEXT)] == [("p1.1", b"1"), ("p1.2", b"2")]
    assert place.contents(WORK) == []


def test_a_refused_settlement_is_reported_and_the_delivery_can_be_settled_in_another_way(
    broker: Broker, place: Place
) -> None:
    collector = consume(broker)
    broker.publish([to(WORK, id="p1")])
    delivery = collector.next()
    bad = to("nowhere")
    broker.settle(delivery, [bad])
    failed, error = collector.failure()
    assert failed is delivery
    assert ids([message for message, _ in error.refused]) == [bad.id]
    assert depth(broker).in_hand == 1
    broker.settle(delivery, [to(f"{WORK}.dlq", id="p1")])
    wait_until(lambda: depth(broker) == Depth(dead=1, consumers=1))
    assert ids(place.contents(f"{WORK}.dlq")) == ["p1"]
    assert not collector.deliveries


def test_a_settlement_on_a_full_queue_is_refused_too(open_broker: Opener, place: Place) -> None:
    broker = open_broker(topology(Queue("small", max_length=1)))
    confirmed = fill(broker, "small")
    collector = consume(broker)
    broker.publish([to(WORK, id="p1")])
    delivery = collector.next()
    broker.settle(delivery, [to("small", id="p1")])
    assert collector.failure()[0] is delivery
    broker.settle(delivery, [])
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    assert ids(place.contents("small")) == confirmed


def test_settling_many_out_of_order_leaves_exactly_the_others(broker: Broker, open_broker: Opener) -> None:
    broker.publish([to(WORK, id=str(number)) for number in range(100)])
    collector = consume(broker)
    for delivery in reversed(collector.wait(100)):
        if int(delivery.id) % 3:
            broker.settle(delivery, [])
    wait_until(lambda: depth(broker).in_hand == 34)
    broker.close()
    left = consume(open_broker(name="another")).wait(34)
    assert sorted(int(delivery.id) for delivery in left) == list(range(0, 100, 3))


def test_settling_after_the_session_is_over_does_nothing(open_broker: Opener, place: Place) -> None:
    broker = open_broker()
    collector = consume(broker)
    broker.publish([to(WORK, id="p1")])
    delivery = collector.next()
    broker.close()
    assert not delivery.session.open
    broker.settle(delivery, [to(NEXT)])
    assert consume(open_broker(name="another")).next().id == "p1"
    assert place.contents(NEXT) == []


# -- what it says of itself --------------------------------------------------------------------


def test_depths_count_what_is_ready_in_hand_delayed_and_dead(broker: Broker, open_broker: Opener) -> None:
    broker.publish([to(WORK) for _ in range(6)])
    first, second, *_ = consume(broker, prefetch=3).wait(3)
    other = open_broker(name="another")
    broker.settle(first, [to(f"{WORK}.dlq")])
    wait_until(lambda: depth(other) == Depth(ready=2, in_hand=3, dead=1, consumers=1))
    broker.settle(second, [retry_of(second, 1)])
    wait_until(lambda: depth(other) in (Depth(1, 3, 1, 1, 1), Depth(2, 3, 0, 1, 1)))  # delayed, or due already
    assert depth(other, MORE) == Depth()


def test_depths_leave_out_a_queue_that_does_not_exist(broker: Broker) -> None:
    assert broker.depths([WORK, "nowhere"]).keys() == {WORK}


def test_every_process_that_consumes_is_counted_once(broker: Broker, hold: Hold) -> None:
    consume(broker)
    consume(broker, MORE)
    holder = hold(WORK)
    wait_until(lambda: depth(broker).consumers == 2)
    assert depth(broker, MORE).consumers == 1
    holder.kill()
    wait_until(lambda: depth(broker).consumers == 1)


def test_a_process_that_pauses_is_known_as_paused_and_not_as_a_consumer(broker: Broker, open_broker: Opener) -> None:
    consume(broker)
    other = open_broker(name="another")
    wait_until(lambda: depth(other) == Depth(consumers=1))
    broker.cancel(WORK, pausing="the bank is [closed]")
    wait_until(lambda: depth(other) == Depth(paused=1, why="the bank is [closed]"))
    consume(broker)
    wait_until(lambda: depth(other) == Depth(consumers=1))
    broker.cancel(WORK, pausing="again")
    broker.cancel(WORK)
    wait_until(lambda: depth(other) == Depth())


def test_a_broker_that_is_started_is_available(open_broker: Opener, place: Place) -> None:
    broker = open_broker()
    assert broker.available
    broker.close()
    assert not broker.available


def test_a_start_waits_for_a_rabbitmq_that_is_away_and_then_says_so() -> None:
    broker = broker_at(f"amqp://guest:guest@127.0.0.1:{free_port()}/", "test")
    with pytest.raises(BrokerUnavailableError):
        broker.start(topology(), timeout=0.5)
    assert not broker.available


def test_who_only_looks_makes_nothing(place: Place, open_broker: Opener) -> None:
    open_broker(topology())
    wider = topology(Queue("another"))
    looking = broker_at(place.address, "looking")
    looking.start(wider, timeout=30, declare=False)
    try:
        assert set(looking.depths([WORK, "another"])) == {WORK}
    finally:
        looking.close()


# -- watching ---------------------------------------------------------------------------


def test_an_observer_sees_what_is_published_and_then_that_it_is_confirmed(open_broker: Opener) -> None:
    journal = Journal()
    broker = open_broker(events=Events([journal]))
    with pytest.raises(PublishError):
        broker.publish([to(NEXT, id="a"), to("nowhere", id="b"), to(NEXT, id="c")])
    for message in ("a", "c"):
        assert journal.of(message, "published", "confirmed") == [("published", NEXT), ("confirmed", NEXT)]
    assert journal.of("b", "confirmed") == []


def test_who_watches_sees_what_comes_of_a_delivery(open_broker: Opener) -> None:
    journal = Journal()
    broker = open_broker(events=Events([journal]))
    broker.publish([to(WORK, id="one"), to(WORK, id="two")])
    first, second = consume(broker).wait(2)
    broker.settle(first, [to(NEXT, id="passed on")])
    broker.settle(second, [to(NEXT, id="split.1"), to(NEXT, id="split.2")])
    wait_until(lambda: len(journal.only("confirmed")) == 5)
    for message in ("passed on", "split.1", "split.2"):
        assert journal.of(message, "published", "confirmed") == [("published", NEXT), ("confirmed", NEXT)]


def test_what_only_changes_its_place_is_not_seen(open_broker: Opener, hold: Hold) -> None:
    """Given back, moved to the quarantine, sent to wait once more: nothing has happened to the message."""
    journal = Journal()
    broker = open_broker(events=Events([journal]))
    broker.publish([to(WORK, id="killed")])
    holder = hold(WORK)
    holder.take(1)
    holder.kill()
    collector = consume(broker)
    broker.release([collector.next()])
    again = collector.next()
    assert (again.id, again.attempt) == ("killed", 2)
    assert journal.of("killed", "published", "confirmed") == [("published", WORK), ("confirmed", WORK)]
