"""A queue made anew with other arguments: its messages, their order, and what happens when that is ended half way."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing, suppress

import pika
import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq import migration
from runner.brokers.rabbitmq.arguments import NO_LIMIT, arguments
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.management import VARIABLE, Management
from runner.brokers.rabbitmq.migration import migrated, renamed
from runner.brokers.rabbitmq.survey import MIGRATING, Surveyor, surveyed
from runner.brokers.survey import Renamed
from runner.errors import BrokerSetupError, BrokerUnavailableError, PublishError
from runner.message import ATTEMPT
from runner.pipeline import Queue
from runner.topology import migration_queue, retry_queue
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import NEXT, RETRY_DELAY, WORK, alone, consume, ids, to, topology
from tests.killing import killed_after
from tests.waiting import wait_until

OTHERS = r"somebody else .* is at work on these queues"
CHANGED = topology(Queue(NEXT, max_length=5_000, delivery_limit=50))
MIGRATE = """
import sys
from runner.brokers.rabbitmq.migration import migrated
from tests.brokers.rabbitmq.test_migration import CHANGED
migrated([sys.argv[1]], "test", CHANGED, lambda: print("next", flush=True) is None)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "CALM", 0.1)
    monkeypatch.setattr(migration, "TRIED_AFTER", 0.5)


def names(count: int) -> list[str]:
    return [f"m{n:04}" for n in range(count)]


def test_messages_keep_their_order_and_what_they_carry(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str
) -> None:
    rabbit().publish([to(NEXT, b'{"n": 1}', id=name, headers={"a": "b", ATTEMPT: 2}) for name in names(50)])
    assert migrated([vhost_url], "test", CHANGED, lambda: True) == {NEXT: 50}
    found = surveyed([vhost_url], "test", CHANGED)
    assert (found.missing, found.differing, found.unfinished) == ((), (), ())
    contents = place.contents(NEXT)
    assert ids(contents) == names(50)
    assert {(one.payload, one.headers["a"], one.headers[ATTEMPT]) for one in contents} == {(b'{"n": 1}', "b", 2)}


def test_what_comes_back_from_its_wait_meanwhile_is_not_lost(
    rabbit: Callable[..., RabbitBroker], vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would come at the worst moment: the queue is empty, and about to be deleted."""
    delete, moments = Surveyor.delete, list[str]()

    def delete_late(self: Surveyor, queue: str) -> None:
        if queue == WORK:
            wait_until(lambda: not _waiting(vhost_url))
        moments.append(queue)
        delete(self, queue)

    broker = rabbit()
    broker.publish([to(WORK, id=name, delay=RETRY_DELAY) for name in names(20)])
    monkeypatch.setattr(Surveyor, "delete", delete_late)
    changed = topology(Queue(WORK, delivery_limit=50))
    assert WORK in migrated([vhost_url], "test", changed, lambda: True)
    assert WORK in moments
    wait_until(lambda: broker.depths([WORK])[WORK].ready == 20)


def _waiting(url: str) -> int:
    """How many messages are on the queue where WORK's retries wait."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        name = retry_queue(WORK, RETRY_DELAY)
        return int(connection.channel().queue_declare(name, passive=True).method.message_count)


def test_what_nothing_is_to_be_done_about_is_left_alone(rabbit: Callable[..., RabbitBroker], vhost_url: str) -> None:
    rabbit()
    assert migrated([vhost_url], "test", topology(), lambda: True) == {}


def test_what_rabbitmq_would_act_on_stays_behind(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str
) -> None:
    rabbit()
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        properties = pika.BasicProperties(message_id="m", delivery_mode=2, headers={"CC": [WORK], "a": "b"})
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", NEXT, b"{}", properties)
        assert ids(place.contents(WORK)) == ["m"]
        assert migrated([vhost_url], "test", CHANGED, lambda: True) == {NEXT: 1}
        assert channel.queue_declare(WORK, passive=True).method.message_count == 1


def test_deaths_that_rabbitmq_has_counted_become_attempts(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str
) -> None:
    rabbit().publish([to(NEXT, id="m", headers={ATTEMPT: 1})])
    for _ in range(2):  # a holder takes it, and is gone
        assert ids(place.contents(NEXT)) == ["m"]
    migrated([vhost_url], "test", CHANGED, lambda: True)
    [found] = place.contents(NEXT)
    assert found.headers[ATTEMPT] == 3


def test_a_killed_attempt_is_no_attempt_of_what_it_had_in_hand(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str
) -> None:
    """RabbitMQ counts it like the death of a worker."""
    rabbit().publish([to(NEXT, id="m", headers={ATTEMPT: 1})])
    rabbit(FORMER).publish([to("former", id="r")])
    rabbit(NOW)
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        quorum = {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
        connection.channel().queue_declare(migration_queue(NEXT), durable=True, arguments=quorum)
    assert ids(place.contents(NEXT)) + ids(place.contents("former")) == ["m", "r"]
    migrated([vhost_url], "test", CHANGED, lambda: True)
    renamed([vhost_url], "test", NOW, lambda: True)
    [[migrated_one], [renamed_one]] = [place.contents(name) for name in (NEXT, "now")]
    assert (migrated_one.headers[ATTEMPT], ATTEMPT in renamed_one.headers) == (1, False)


def test_whoever_stops_it_has_nothing_in_hand(rabbit: Callable[..., RabbitBroker], vhost_url: str) -> None:
    rabbit().publish([to(NEXT, id="m")])
    with pytest.raises(BrokerUnavailableError, match="stopped; nothing is lost"):
        migrated([vhost_url], "test", CHANGED, lambda: False)
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        got, _, _ = connection.channel().basic_get(NEXT)
        assert not got.redelivered


def test_a_queue_that_somebody_consumes_is_left_alone(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str
) -> None:
    rabbit().publish([to(NEXT, id="m")])
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(NEXT, lambda *_: None)
        with pytest.raises(BrokerSetupError, match=f"somebody consumes {NEXT}: stop that"):
            migrated([vhost_url], "test", CHANGED, lambda: True)
    assert migrated([vhost_url], "test", CHANGED, lambda: True) == {NEXT: 1}
    assert ids(place.contents(NEXT)) == ["m"]


def test_two_do_not_run_over_each_other(
    rabbit: Callable[..., RabbitBroker],
    place: RabbitPlace,
    vhost_url: str,
    rabbit_node: RabbitNode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second one would delete the new queue with what the first has put on it."""
    rabbit().publish([to(NEXT, id=name) for name in names(20)])

    def looks_on() -> bool:
        with pytest.raises(BrokerSetupError, match=OTHERS):
            migrated([vhost_url], "other", CHANGED, lambda: True)
        with (
            pytest.raises(BrokerSetupError, match=OTHERS),
            migration.alone([vhost_url], "other"),
        ):
            pass
        return True

    assert migrated([vhost_url], "test", CHANGED, looks_on) == {NEXT: 20}
    monkeypatch.setenv(VARIABLE, rabbit_node.management_url)
    told = r"'test apply' at 127\.0\.0\.1 is at work on these queues"
    with migration.alone([vhost_url], "test apply"):
        wait_until(lambda: Management([vhost_url]).owner(MIGRATING))
        with pytest.raises(BrokerSetupError, match=told):
            renamed([vhost_url], "other", CHANGED, lambda: True)
    assert ids(place.contents(NEXT)) == names(20)


def test_whoever_has_lost_the_connection_is_no_longer_alone(
    vhost_url: str, rabbit_node: RabbitNode, vhost: str
) -> None:
    with migration.alone([vhost_url], "test") as still:
        still()
        wait_until(lambda: rabbit_node.close_connections(vhost))
        with pytest.raises(BrokerUnavailableError):
            wait_until(still)


def test_a_new_length_that_is_too_short_loses_nothing(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str
) -> None:
    rabbit().publish([to(NEXT, id=name) for name in names(50)])
    short, long = topology(Queue(NEXT, max_length=10)), topology(Queue(NEXT, max_length=50))
    with pytest.raises(BrokerSetupError, match=f"queue {NEXT} takes no more of its messages: .*may be full"):
        migrated([vhost_url], "test", short, lambda: True)
    [(queue, left)] = surveyed([vhost_url], "test", short).unfinished
    assert queue == NEXT
    assert 0 < left <= 40
    assert migrated([vhost_url], "test", long, lambda: True) == {NEXT: 50}
    assert sorted(ids(place.contents(NEXT))) == names(50)


def test_whoever_stops_it_at_any_message_can_go_on(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str
) -> None:
    rabbit().publish([to(NEXT, id=name) for name in names(20)])
    for stop in (5, 10, 10, 10):
        left = iter(range(stop))
        with pytest.raises(BrokerUnavailableError, match="stopped; nothing is lost"):
            migrated([vhost_url], "test", CHANGED, lambda left=left: next(left, None) is not None)  # type: ignore[misc]
    migrated([vhost_url], "test", CHANGED, lambda: True)
    assert ids(place.contents(NEXT)) == names(20)


def test_kills_lose_nothing_and_repeat_at_most_one_message_each(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str, rabbit_node: RabbitNode, vhost: str
) -> None:
    rabbit().publish([to(NEXT, id=name) for name in names(300)])
    kills = 0
    while killed_after(random.Random(kills).randrange(50, 250), MIGRATE, vhost_url):
        kills += 1
    found = ids(place.contents(NEXT))
    assert kills > 0
    assert list(dict.fromkeys(found)) == names(300)
    assert len(found) <= 300 + kills
    assert not {migration_queue(NEXT)} & {queue["name"] for queue in rabbit_node.api("GET", f"/queues/{vhost}")}


FORMER, NOW = alone(Queue("former")), alone(Queue("now", was="former"))
RENAME = """
import sys
from runner.brokers.rabbitmq import migration
from runner.brokers.rabbitmq.migration import renamed
migration.TRIED_AFTER = 0.5
from tests.brokers.rabbitmq.test_migration import NOW
renamed([sys.argv[1]], "test", NOW, lambda: print("one", flush=True) or True)
"""


def test_a_renamed_queue_has_all_that_the_former_one_had(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str, rabbit_node: RabbitNode, vhost: str
) -> None:
    before = [to("former", b'{"n": 1}', id=name, headers={"a": "b", ATTEMPT: 2}) for name in names(30)]
    companions = [to("former.dlq", id="dead", headers={"runner-error": "why"}), to("former.quarantine", id="suspect")]
    rabbit(FORMER).publish([*before, *companions, to("former", id="later", headers={ATTEMPT: 1}, delay=60.0)])
    assert surveyed([vhost_url], "test", NOW).renamed == (Renamed("now", "former", 33, 0),)
    assert renamed([vhost_url], "test", NOW, lambda: True) == {"now": 33}
    contents = place.contents("now")
    assert ids(contents) == names(30)
    assert {(one.payload, one.headers["a"], one.headers[ATTEMPT]) for one in contents} == {(b'{"n": 1}', "b", 2)}
    [[dead], [suspect], [later]] = [place.contents(f"now.{name}") for name in ("dlq", "quarantine", "retry.1m")]
    assert (dead.id, dead.headers["runner-error"], suspect.id) == ("dead", "why", "suspect")
    assert (later.id, later.headers[ATTEMPT]) == ("later", 1)
    queues = {queue["name"] for queue in rabbit_node.api("GET", f"/queues/{vhost}")}
    assert queues == {"now", "now.dlq", "now.quarantine", "now.retry.1m"}
    assert surveyed([vhost_url], "test", NOW).renamed == ()
    assert renamed([vhost_url], "test", NOW, lambda: True) == {}


def test_retries_that_the_former_queue_was_too_full_for_are_waited_for(
    rabbit: Callable[..., RabbitBroker],
    place: RabbitPlace,
    vhost_url: str,
    rabbit_node: RabbitNode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RabbitMQ keeps them with the queue of their wait, and AMQP counts them nowhere."""
    monkeypatch.setattr(migration, "TRIED_AFTER", 6.0)
    key = "rabbit, dead_letter_worker_publisher_confirm_timeout"
    rabbit_node.eval(f"application:set_env({key}, 1000)")
    try:
        broker = rabbit(alone(Queue("former", max_length=3), wait=1.0))
        broker.publish([to("former", id=f"later{n}", delay=1.0) for n in range(10)])
        with suppress(PublishError):  # it is full
            for name in names(1_000):
                broker.publish([to("former", id=name)])
        with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
            channel = connection.channel()
            wait_until(lambda: not channel.queue_declare("former.retry.1s", passive=True).method.message_count)
        broker.close()
        now = alone(Queue("now", was="former"), wait=1.0)
        assert renamed([vhost_url], "test", now, lambda: True)["now"] >= 13
    finally:
        rabbit_node.eval(f"application:set_env({key}, 180000)")
    assert {f"later{n}" for n in range(10)} < set(ids(place.contents("now")))


def test_a_queue_of_waits_is_made_anew_once_its_retries_are_home(
    place: RabbitPlace, vhost_url: str, rabbit_node: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that found no room there would be deleted with it."""
    monkeypatch.setattr(migration, "TRIED_AFTER", 6.0)
    key = "rabbit, dead_letter_worker_publisher_confirm_timeout"
    rabbit_node.eval(f"application:set_env({key}, 1000)")
    wanted = alone(Queue("home", max_length=3), wait=1.0)
    [wait] = [queue for queue in wanted.queues if queue.kind == "retry"]
    later = {f"later{n}" for n in range(2)}
    try:
        with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
            channel = connection.channel()
            for queue in wanted.queues:
                others = {"x-max-length": 1_000} if queue == wait else {}
                channel.queue_declare(queue.name, durable=True, arguments={**arguments(queue), **others})
            broker = RabbitBroker([vhost_url], "test")
            broker.start(wanted, timeout=30, declare=False)
            with suppress(PublishError):  # it is full
                for name in names(1_000):
                    broker.publish([to("home", id=name)])
            broker.publish([to("home", id=name, delay=1.0) for name in later])
            broker.close()
            wait_until(lambda: not channel.queue_declare(wait.name, passive=True).method.message_count)
            with pytest.raises(BrokerSetupError, match=r"of home\.retry\.1s may wait for room on home, which is full"):
                migrated([vhost_url], "test", wanted, lambda: True)
            channel.queue_purge("home")
            assert migrated([vhost_url], "test", wanted, lambda: True) == {}
    finally:
        rabbit_node.eval(f"application:set_env({key}, 180000)")
    assert surveyed([vhost_url], "test", wanted).differing == ()
    assert set(ids(place.contents("home"))) == later


def test_a_former_queue_that_somebody_consumes_stays(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str
) -> None:
    broker = rabbit(FORMER)
    collector = consume(broker, "former")
    broker.publish([to("former", id="m")])
    collector.wait(1)
    with pytest.raises(BrokerSetupError, match="somebody consumes former: stop that"):
        renamed([vhost_url], "test", NOW, lambda: True)
    broker.close()
    assert renamed([vhost_url], "test", NOW, lambda: True) == {"now": 1}
    assert ids(place.contents("now")) == ["m"]


def test_a_renaming_that_is_killed_loses_nothing_and_repeats_at_most_one_message_each_time(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, vhost_url: str, rabbit_node: RabbitNode, vhost: str
) -> None:
    letters = [to("former.dlq", id=f"dead{name}") for name in names(50)]
    rabbit(FORMER).publish([*(to("former", id=name) for name in names(200)), *letters])
    kills = 0
    while killed_after(random.Random(kills).randrange(40, 120), RENAME, vhost_url):
        kills += 1
    found, dead = ids(place.contents("now")), ids(place.contents("now.dlq"))
    assert kills > 1
    assert list(dict.fromkeys(found)) == names(200)
    assert list(dict.fromkeys(dead)) == [f"dead{name}" for name in names(50)]
    assert len(found) + len(dead) <= 250 + kills
    assert not {"former", "former.dlq"} & {queue["name"] for queue in rabbit_node.api("GET", f"/queues/{vhost}")}
