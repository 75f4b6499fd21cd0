"""Several processes on one file: which are alive, which are woken, which inherit."""

from __future__ import annotations

import fcntl
import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from runner.brokers.base import Broker, Depth
from runner.errors import BrokerUnavailableError
from tests.brokers.embedded.conftest import Hold, Opener
from tests.brokers.holder import Holder
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import NEXT, WORK, consume, depth, ids, to
from tests.waiting import wait_until


def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(
    broker: Broker, hold: Hold, place: EmbeddedPlace
) -> None:
    """Publish and ack are one transaction, so each message is passed on exactly once."""
    sent = [to(WORK) for _ in range(20_000)]
    broker.publish(sent, timeout=30)
    workers = [hold(WORK, "--forward", prefetch=200) for _ in range(2)]
    for passed_on in (100, 3_000, 6_000, 9_000, 12_000, 15_000):
        wait_until(lambda: depth(broker, NEXT).ready > passed_on)  # noqa: B023 - is waited for
        workers.pop(0).kill()
        workers.append(hold(WORK, "--forward", prefetch=200))
    wait_until(lambda: depth(broker) == Depth(consumers=2))
    assert sorted(ids(place.contents(NEXT))) == sorted(ids(sent))


def test_a_publisher_killed_at_any_moment_has_stored_what_was_confirmed(
    broker: Broker, hold: Hold, place: EmbeddedPlace
) -> None:
    confirmed = []
    for round_ in range(4):
        publisher = hold()
        for number in range(500):
            publisher.order(f"publish {NEXT} {round_}.{number}")
        for line in publisher.lines():
            confirmed.append(line["published"])
            if random.random() < 0.02:
                break
        publisher.kill()
    stored = ids(place.contents(NEXT))
    assert set(confirmed) <= set(stored)
    assert len(stored) == len(set(stored))


def stop(holder: Holder, path: Path) -> None:
    """SIGSTOP, at a moment at which the process isn't writing (which would stop everybody)."""
    with (path.with_name(f"{path.name}.run") / "write.lock").open() as lock:
        while True:
            os.kill(holder.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            os.kill(holder.pid, signal.SIGCONT)


def test_what_a_stopped_process_holds_stays_its_own_and_what_a_killed_one_held_comes(
    broker: Broker, hold: Hold, path: Path
) -> None:
    broker.publish([to(WORK, id=str(number)) for number in range(4)])
    stopped = hold(WORK, prefetch=2)
    stopped.take(2)
    killed = hold(WORK, prefetch=2)
    killed.take(2)
    collector = consume(broker)
    stop(stopped, path)
    killed.kill()
    for _ in range(2):
        delivery = collector.next()
        assert (delivery.id in "23", delivery.attempt) == (True, 2)
        broker.settle(delivery, [])
    assert depth(broker) == Depth(in_hand=2, consumers=2)
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.order("settle 0")
    stopped.order("settle 1")
    wait_until(lambda: depth(broker).in_hand == 0)
    assert not collector.deliveries


def test_processes_that_begin_at_the_same_time_agree_on_one_file(open_broker: Opener, hold: Hold) -> None:
    holders = [hold(WORK, prefetch=1) for _ in range(4)]
    broker = open_broker()
    wait_until(lambda: depth(broker).consumers == 4)
    broker.publish([to(WORK, id=str(number)) for number in range(4)])
    assert sorted(name for holder in holders for name in holder.take(1)) == ["0", "1", "2", "3"]


@pytest.mark.usefixtures("one_tick")
def test_a_process_is_woken_by_what_another_publishes_and_by_what_it_gives_back(open_broker: Opener) -> None:
    one, two, three = open_broker(), open_broker(), open_broker()
    first = consume(one, prefetch=1)
    one.publish([to(WORK, id="first")])
    first.next()
    second = consume(two)
    wait_until(lambda: two.consuming(WORK))
    three.publish([to(WORK, id="second")])
    assert second.next().id == "second"
    one.close()
    assert second.next().id == "first"


def test_a_forked_child_does_not_keep_its_dead_parent_alive(broker: Broker, hold: Hold) -> None:
    broker.publish([to(WORK, id="p1")])
    parent = hold(WORK)
    parent.take(1)
    parent.order("fork")
    child = next(parent.lines())["forked"]
    try:
        parent.kill()
        assert consume(broker).next().attempt == 2
    finally:
        os.kill(child, signal.SIGKILL)


def seen(broker: Broker) -> Depth | None:
    """The depth, where the broker is there to tell it."""
    try:
        return depth(broker)
    except BrokerUnavailableError:
        return None


def test_a_process_taken_for_dead_starts_over_and_cannot_settle_what_it_lost(
    open_broker: Opener, path: Path, place: EmbeddedPlace
) -> None:
    one, two = open_broker(), open_broker()
    collector = consume(one)
    one.publish([to(WORK, id="p1")])
    lost = collector.next()
    for lock in path.with_name(f"{path.name}.run").glob("*.lock"):
        if lock.name != "write.lock":
            lock.unlink()  # somebody has tidied up
    wait_until(lambda: not lost.session.open)
    again = collector.next()
    assert again.session.open
    assert again.id == "p1"
    one.settle(lost, [to(NEXT)])
    one.settle(again, [])
    one.cancel(WORK)
    wait_until(lambda: two.available and seen(two) == Depth())
    assert place.contents(NEXT) == []


def test_a_closed_broker_leaves_nothing_but_its_file_and_the_lock_to_write(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    consume(broker)
    broker.publish([to(WORK)])
    broker.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["broker.db", "broker.db.run"]
    assert {file.name for file in path.with_name("broker.db.run").iterdir()} == {"write.lock", "write.next"}


def test_the_files_of_a_killed_process_are_removed(open_broker: Opener, hold: Hold, path: Path) -> None:
    holder = hold(WORK)
    broker = open_broker()
    wait_until(lambda: depth(broker).consumers == 1)
    holder.kill()
    run = path.with_name("broker.db.run")
    wait_until(lambda: len(list(run.glob("*.lock"))) == len(["write.lock", "our own"]))
    wait_until(lambda: len(list(run.glob("*.wake"))) == 1)
