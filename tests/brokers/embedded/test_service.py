"""The broker's thread: turns that fail, consumers that fail, what is due and what is too late."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.brokers.base import Depth
from runner.errors import BrokerUnavailableError
from runner.events import Events
from tests.brokers.embedded.conftest import Opener, ask
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import MORE, NEXT, RETRY_DELAY, WORK, Collector, consume, depth, ids, to
from tests.waiting import wait_until
from tests.watching import Journal


@pytest.mark.usefixtures("one_tick")
def test_what_is_delayed_comes_when_it_is_due_and_not_at_the_next_look_around(open_broker: Opener) -> None:
    broker = open_broker()
    collector = consume(broker)
    broker.publish([to(WORK, id="p1", delay=RETRY_DELAY), to(WORK, id="p2", delay=RETRY_DELAY / 2)])
    assert ids(collector.wait(2)) == ["p2", "p1"]


def test_what_was_taken_for_a_queue_that_is_cancelled_just_then_goes_back(open_broker: Opener) -> None:
    broker = open_broker()

    class Cancelling(Collector):
        def deliver(self, deliveries: object) -> None:
            broker.cancel(MORE)
            super().deliver(deliveries)  # type: ignore[arg-type]

    work, more = Cancelling(), Collector()
    broker.publish([to(WORK), to(MORE)])

    def consume_both(_: object) -> None:  # between two turns, so that both are served in the next one
        broker.consume(WORK, 10, work)
        broker.consume(MORE, 10, more)

    ask(broker, consume_both)
    work.next()
    wait_until(lambda: depth(broker, MORE) == Depth(ready=1))
    assert not more.deliveries
    assert consume(broker, MORE).next().attempt == 1


def test_a_consumer_that_fails_does_not_end_the_broker(open_broker: Opener, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Collector):
        def deliver(self, deliveries: object) -> None:
            raise RuntimeError("a mistake")

    broker = open_broker()
    broker.consume(WORK, 10, Broken())
    broker.publish([to(WORK)])
    wait_until(lambda: "a mistake" in caplog.text)
    broker.publish([to(WORK)])
    assert broker.available
    assert depth(broker).in_hand == 2


def test_a_full_disk_refuses_publishers_and_loses_no_settlement(open_broker: Opener, place: EmbeddedPlace) -> None:
    broker = open_broker()
    collector = consume(broker)
    broker.publish([to(WORK)])
    delivery = collector.next()
    ask(broker, lambda store: store._execute("PRAGMA max_page_count = 1").fetchall())  # no page more than there are
    with pytest.raises(BrokerUnavailableError, match=r"broker\.db: the disk is full"):
        broker.publish([to(WORK, bytes(100_000))])
    wait_until(lambda: broker.available)  # for small things there is room
    broker.settle(delivery, [to(NEXT, bytes(100_000), id="large")])
    wait_until(lambda: not broker.available)
    with pytest.raises(BrokerUnavailableError, match="the disk is full"):
        broker.publish([to(WORK)])
    assert delivery.session.open
    ask(broker, lambda store: store._execute("PRAGMA max_page_count = 1000000").fetchall())
    wait_until(lambda: broker.available and depth(broker) == Depth(consumers=1))
    assert ids(place.contents(NEXT)) == ["large"]


def test_a_full_disk_is_reported_once_and_once_when_there_is_room_again(open_broker: Opener, path: Path) -> None:
    journal = Journal()
    broker = open_broker(events=Events([journal]))
    ask(broker, lambda store: store._execute("PRAGMA max_page_count = 1").fetchall())
    for number in range(3):
        with pytest.raises(BrokerUnavailableError):
            broker.publish([to(WORK, bytes(100_000), id="large")])
        wait_until(lambda: broker.available)
        broker.publish([to(WORK, id=f"small {number}")])  # for small things there is room
    assert [seen.event for seen in journal.seen if "connected" in seen.event] == ["connected", "disconnected"]
    ask(broker, lambda store: store._execute("PRAGMA max_page_count = 1000000").fetchall())
    wait_until(lambda: journal.seen[-1].event == "connected")
    comings = [(seen.event, seen.at, seen.more[-1]) for seen in journal.seen if "connected" in seen.event]
    assert comings == [
        ("connected", str(path), False),
        ("disconnected", str(path), False),
        ("connected", str(path), True),
    ]
    assert [seen.id for seen in journal.only("published")] == ["small 0", "small 1", "small 2"]
    assert broker.available


def test_a_file_that_is_removed_under_it_makes_the_broker_unavailable_for_good(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    consume(broker)
    path.unlink()
    with pytest.raises(BrokerUnavailableError, match="removed or replaced while it was in use"):
        broker.publish([to(WORK)])
    assert not broker.available
    wait_until(lambda: not broker.consuming(WORK))
    assert not path.exists()


def test_damage_that_shows_later_makes_the_broker_unavailable(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    broker.publish([to(WORK)])
    ask(broker, lambda store: store._execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    with path.open("r+b") as database:
        database.seek(4096)
        database.write(bytes(path.stat().st_size - 4096))
    ask(broker, lambda store: store._execute("PRAGMA shrink_memory"))
    with pytest.raises(BrokerUnavailableError, match=r"broker\.db: damaged"):
        broker.publish([to(WORK)])
    assert not broker.available
