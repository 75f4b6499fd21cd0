"""What only the embedded broker has: a file that several processes share, and that may fail."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from runner.brokers.base import Broker, Depth
from runner.brokers.embedded import file, service
from runner.brokers.embedded.broker import EmbeddedBroker
from runner.brokers.embedded.inbox import Question
from runner.brokers.embedded.store import PLACES
from runner.errors import BrokerSetupError, BrokerUnavailableError, PublishError
from runner.pipeline import Queue
from tests.brokers.holder import Holder
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import MORE, NEXT, RETRY_DELAY, WORK, Collector, ids, to, topology
from tests.waiting import wait_until

Hold = Callable[..., Holder]
Opener = Callable[..., EmbeddedBroker]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@pytest.fixture
def place(path: Path) -> Iterator[EmbeddedPlace]:
    """A fresh file, whose own book-keeping has to be right at the end of every test."""
    yield EmbeddedPlace(path)
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as database:
        assert counted(database) == recorded(database)


def recorded(database: sqlite3.Connection) -> list[tuple[int, ...]]:
    return database.execute("SELECT tail - head, returned, held, delayed FROM queue ORDER BY number").fetchall()


def counted(database: sqlite3.Connection) -> list[tuple[int, ...]]:
    return database.execute(
        f"""SELECT
          (SELECT count(*) FROM message WHERE place >> {PLACES} = number AND place >= head),
          (SELECT count(*) FROM message JOIN taken USING (place) WHERE place >> {PLACES} = number AND owner IS NULL),
          (SELECT count(*) FROM message JOIN taken USING (place) WHERE place >> {PLACES} = number AND owner NOTNULL),
          (SELECT count(*) FROM delayed WHERE delayed.queue = queue.number)
        FROM queue ORDER BY number"""
    ).fetchall()


def consume(broker: Broker, queue: str = WORK, prefetch: int = 100) -> Collector:
    collector = Collector()
    broker.consume(queue, prefetch, collector)
    return collector


def depth(broker: Broker, queue: str = WORK) -> Depth:
    return broker.depths([queue])[queue]


@pytest.fixture
def one_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look around but the first: whatever comes in time was announced."""
    monkeypatch.setattr(service, "TICK", 3600.0)


# -- several processes -------------------------------------------------------------------------


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


@pytest.mark.usefixtures("one_tick")
def test_what_is_delayed_comes_when_it_is_due_and_not_at_the_next_look_around(open_broker: Opener) -> None:
    broker = open_broker()
    collector = consume(broker)
    broker.publish([to(WORK, id="p1", delay=RETRY_DELAY), to(WORK, id="p2", delay=RETRY_DELAY / 2)])
    assert ids(collector.wait(2)) == ["p2", "p1"]


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


def test_who_was_taken_for_dead_begins_anew_and_can_not_settle_what_it_lost(
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
    assert [file.name for file in path.with_name("broker.db.run").iterdir()] == ["write.lock"]


def test_the_files_of_a_killed_process_are_removed(open_broker: Opener, hold: Hold, path: Path) -> None:
    holder = hold(WORK)
    broker = open_broker()
    wait_until(lambda: depth(broker).consumers == 1)
    holder.kill()
    run = path.with_name("broker.db.run")
    wait_until(lambda: len(list(run.glob("*.lock"))) == len(["write.lock", "our own"]))
    wait_until(lambda: len(list(run.glob("*.wake"))) == 1)


# -- one transaction -----------------------------------------------------------------------------


def test_a_settlement_that_is_refused_in_part_stores_nothing(open_broker: Opener, place: EmbeddedPlace) -> None:
    broker = open_broker(topology(Queue("small", max_length=1)))
    collector = consume(broker)
    broker.publish([to(WORK)])
    delivery = collector.next()
    broker.settle(delivery, [to(NEXT), to("small"), to("small", id="too much")])
    assert ids(message for message, _ in collector.failure()[1].refused) == ["too much"]
    broker.settle(delivery, [to(NEXT), to("nowhere")])
    collector.failure()
    assert place.contents(NEXT) == place.contents("small") == []


def test_a_full_queue_counts_neither_what_is_in_hand_nor_what_is_delayed(open_broker: Opener) -> None:
    plan = topology(Queue(WORK, max_length=2))
    broker = open_broker(plan)
    collector = consume(broker, prefetch=3)
    broker.publish([to(WORK, delay=3600)])
    for _ in range(3):
        broker.publish([to(WORK)])
        collector.next()
    broker.publish([to(WORK), to(WORK)])
    with pytest.raises(PublishError, match=r"work: the queue is full \(max_length 2\)"):
        broker.publish([to(WORK)])


def test_what_is_released_comes_again_at_its_place(open_broker: Opener) -> None:
    broker = open_broker()
    broker.publish([to(WORK, id=str(number)) for number in range(6)])
    taken = consume(broker, prefetch=4).wait(4)
    broker.cancel(WORK)
    broker.release([taken[3], taken[1]])
    wait_until(lambda: depth(broker).in_hand == 2)
    assert ids(consume(broker).wait(4)) == ["1", "3", "4", "5"]


def test_settling_twice_is_settling_once(open_broker: Opener) -> None:
    broker = open_broker()
    collector = consume(broker)
    broker.publish([to(WORK)])
    delivery = collector.next()
    broker.settle(delivery, [to(NEXT)])
    broker.settle(delivery, [to(NEXT)])
    broker.release([delivery])
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    assert depth(broker, NEXT) == Depth(ready=1)


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


@pytest.mark.usefixtures("one_tick")
def test_large_messages_are_taken_a_few_at_a_time(open_broker: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.brokers.embedded.store.CLAIM_BYTES", 3 * 2**20)
    broker = open_broker()
    batches: list[int] = []

    class Counting(Collector):
        def deliver(self, deliveries: object) -> None:
            batches.append(len(deliveries))  # type: ignore[arg-type]
            super().deliver(deliveries)  # type: ignore[arg-type]

    broker.publish([to(WORK, bytes(2**20)) for _ in range(8)])
    collector = Counting()
    broker.consume(WORK, 100, collector)
    collector.wait(8)
    assert max(batches) == 3


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


# -- how it is done ------------------------------------------------------------------------------


def test_no_statement_goes_through_a_backlog(open_broker: Opener) -> None:
    broker = open_broker()
    statements: set[str] = set()

    def watch(store: object) -> None:
        store._connection.set_trace_callback(statements.add)  # type: ignore[attr-defined]

    ask(broker, watch)
    broker.publish([to(WORK) for _ in range(50)])
    collector = consume(broker, prefetch=20)
    taken = collector.wait(20)
    broker.cancel(WORK)
    broker.settle(taken[0], [to(WORK, delay=RETRY_DELAY)])
    broker.settle(taken[9], [to(NEXT)])
    broker.release(taken[10:15])
    wait_until(lambda: depth(broker) == Depth(ready=35, in_hand=13, delayed=1))
    consume(broker, prefetch=50).wait(36)
    plans = {}
    with closing(sqlite3.connect(broker._path)) as database:
        for statement in statements:
            if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "\nSELECT", "\nUPDATE")):
                steps = database.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
                plans[statement] = [step[3] for step in steps]
    through = {s: plan for s, plan in plans.items() if any(f"SCAN {t}" in " ".join(plan) for t in BACKLOG)}
    assert len(plans) > 15
    assert not through


BACKLOG = ("message", "taken", "delayed")


def void(_: object) -> None:
    """Forget a value."""


def ask(broker: EmbeddedBroker, question: Callable[..., object]) -> None:
    """Do something with the store, on the broker's own thread."""
    request = Question(lambda store: void(question(store)))
    assert broker._service is not None
    broker._service.inbox.questions.append(request)
    broker._service.inbox.wake()
    assert request.answer.wait(30)


def test_the_file_gets_small_again_after_a_backlog(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    broker.publish([to(WORK, bytes(4096)) for _ in range(5000)], timeout=30)
    large = path.stat().st_size + path.with_name("broker.db-wal").stat().st_size
    assert large > 20_000_000

    class Draining(Collector):
        def deliver(self, deliveries: object) -> None:
            for delivery in deliveries:  # type: ignore[attr-defined]
                broker.settle(delivery, [])

    broker.consume(WORK, 1000, Draining())
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    wait_until(lambda: path.stat().st_size < 5_000_000)


# -- when the file fails -------------------------------------------------------------------------


def refusal(path: Path) -> str:
    """What the operator is told when the broker can't be started there."""
    broker = EmbeddedBroker(path, "test")
    with pytest.raises(BrokerSetupError) as caught:
        broker.start(topology(), timeout=30)
    assert not broker.available
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("dear diary, " * 1000)
    assert refusal(path).startswith("not a SQLite database")
    assert path.read_text() == "dear diary, " * 1000
    assert list(path.parent.iterdir()) == [path]


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE users (name TEXT)")
    assert "belongs to another program" in refusal(path)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_of_a_newer_runner_is_left_alone(path: Path, open_broker: Opener) -> None:
    open_broker().close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    assert refusal(path).startswith("written by a newer runner (format 99")


def test_a_damaged_file_is_named_with_what_to_do(path: Path, open_broker: Opener) -> None:
    broker = open_broker()
    broker.publish([to(WORK, bytes(1000)) for _ in range(300)])
    broker.close()
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(os.urandom(20 * 4096))
    message = refusal(path)
    assert message.startswith("damaged")
    assert "sqlite3 broker.db .recover" in message


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


def test_a_folder_in_the_place_of_the_file_is_told(path: Path) -> None:
    path.mkdir()
    assert refusal(path).startswith("is a folder")


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")
    broker = EmbeddedBroker(tmp_path / "var" / "broker.db", "test")
    with pytest.raises(BrokerSetupError, match=f"^{tmp_path}/var/broker.db.run: "):
        broker.start(topology(), timeout=30)


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder to try things in as a user who isn't root."""
    with ExitStack() as undo:
        if os.geteuid() == 0:
            os.seteuid(65534)
            undo.callback(os.seteuid, 0)
        yield Path(undo.enter_context(tempfile.TemporaryDirectory()))


def test_a_file_that_can_only_be_read_is_told() -> None:
    with nobody() as folder:
        path = folder / "broker.db"
        broker = EmbeddedBroker(path, "test")
        broker.start(topology(), timeout=30)
        broker.close()
        path.chmod(0o444)
        assert "make the file and its folder writable" in refusal(path)


def test_a_folder_that_can_only_be_read_is_told() -> None:
    with nobody() as folder:
        folder.chmod(0o555)
        broker = EmbeddedBroker(folder / "broker.db", "test")
        with pytest.raises(BrokerSetupError, match="Permission denied"):
            broker.start(topology(), timeout=30)
        folder.chmod(0o777)


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


def test_a_file_that_is_removed_under_it_makes_the_broker_unavailable_for_good(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    consume(broker)
    path.unlink()
    with pytest.raises(BrokerUnavailableError, match="removed or replaced while it was in use"):
        broker.publish([to(WORK)])
    assert not broker.available
    wait_until(lambda: not broker.consuming(WORK))
    assert not path.exists()


def test_a_file_that_another_program_locks_is_waited_for(
    open_broker: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BUSY_TIMEOUT", 0.1)
    broker = open_broker()
    with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        with pytest.raises(BrokerUnavailableError, match="another program keeps it locked"):
            broker.publish([to(WORK)])
        assert not broker.available
    wait_until(lambda: broker.available)
    broker.publish([to(WORK)])


def test_a_publish_that_is_given_up_is_not_done_later(open_broker: Opener, path: Path, place: EmbeddedPlace) -> None:
    broker = open_broker()
    with (path.with_name("broker.db.run") / "write.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a process might that was stopped while it wrote
        given_up = threading.Thread(target=broker.publish, args=([to(NEXT, id="in the way")],))
        given_up.start()
        with pytest.raises(BrokerUnavailableError, match=r"no answer in 0\.2 s"):
            broker.publish([to(NEXT, id="given up")], timeout=0.2)
    given_up.join()
    broker.publish([to(NEXT, id="later")])
    assert ids(place.contents(NEXT)) == ["in the way", "later"]


def test_a_start_gives_up_after_its_time(open_broker: Opener, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "BUSY_TIMEOUT", 0.05)
    open_broker().close()
    with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        with pytest.raises(BrokerUnavailableError, match="another program keeps it locked"):
            EmbeddedBroker(path, "test").start(topology(), timeout=0.5)


def test_what_can_not_be_told_as_json_is_the_callers_mistake(open_broker: Opener) -> None:
    broker = open_broker()
    with pytest.raises(TypeError):
        broker.publish([to(WORK, headers={"raw": b"bytes"})])
    assert broker.available
