"""Counts and owners that another program has got wrong are right after the next start."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from runner.brokers.base import Depth
from runner.brokers.embedded.books import PLACES
from tests.brokers.embedded.conftest import Opener
from tests.brokers.plans import RETRY_DELAY, WORK, consume, depth, ids, to
from tests.waiting import wait_until

SPOILT = [
    "UPDATE queue SET tail = tail + 1000",
    "UPDATE queue SET tail = 'x'",
    "UPDATE queue SET tail = 0",
    "UPDATE queue SET head = tail",
    "UPDATE queue SET head = 9223372036854775807",
    "UPDATE queue SET head = 'x'",
    "UPDATE queue SET returned = 1000000, held = -5, delayed = 9223372036854775807, next_due = 'x'",
    "UPDATE queue SET largest = 'x'",
    f"INSERT INTO taken SELECT (number << {PLACES}) + 1, 999, 3 FROM queue WHERE name = 'work'",
    f"INSERT INTO taken SELECT (number << {PLACES}) + 1, NULL, 'x' FROM queue WHERE name = 'work'",
    f"INSERT INTO taken SELECT (number << {PLACES}) + 2, NULL, -1 FROM queue WHERE name = 'work'",
    "INSERT INTO taken VALUES (77, 1, 0), (99 << 40, NULL, 5)",
    "INSERT INTO owner (token, name) VALUES (x'ff', 'x'), ('../../etc/passwd', 'x')",
    "INSERT INTO consumer VALUES (99, 99)",
    "INSERT INTO message SELECT tail + 5, 'm4', NULL, x'7b7d' FROM queue WHERE name = 'work'",
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_every_message_comes_once_whatever_was_written_into_the_counts(
    open_broker: Opener, path: Path, spoil: str
) -> None:
    broker = open_broker()
    broker.publish([to(WORK, id=f"m{number}") for number in range(4)])
    broker.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(spoil)
    broker = open_broker()
    broker.publish([to(WORK, id="last")])
    collector = consume(broker, prefetch=1)
    came = []
    expected = {"m0", "m1", "m2", "m3", "last"} | ({"m4"} if "m4" in spoil else set())
    for _ in expected:
        delivery = collector.next()
        came.append(delivery)
        broker.settle(delivery, [])
    assert set(ids(came)) == expected
    broker.close()
    assert depth(open_broker()) == Depth()


def test_what_is_due_at_no_time_is_due_now(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    broker.close()
    with closing(sqlite3.connect(path)) as database, database:
        for due in ("tomorrow", b"\xff", 2**62, 1.5, -1):
            database.execute(
                "INSERT INTO delayed (queue, due, id, payload) SELECT number, ?, ?, x'7b7d' FROM queue WHERE name = ?",
                (due, f"m-{due!r}", WORK),
            )
    broker = open_broker()
    assert len(consume(broker).wait(5)) == 5
    assert depth(broker) == Depth(in_hand=5, consumers=1)


def test_what_is_delayed_waits_no_longer_because_the_clock_was_set_back(
    open_broker: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, real = open_broker(), time.time
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: real() + 3600.0)
        broker.publish([to(WORK, id="before a start", delay=RETRY_DELAY)])
    broker.close()
    broker = open_broker()
    collector = consume(broker)
    assert ids(collector.wait(1)) == ["before a start"]
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: real() + 3600.0)
        broker.publish([to(WORK, id="while it runs", delay=RETRY_DELAY)])
        service = broker._service
        assert service is not None
        wait_until(lambda: service._housekeeping._clock > real() - time.monotonic() + 1000)  # it has looked
    assert ids(collector.wait(2)) == ["before a start", "while it runs"]


def test_a_file_of_an_earlier_version_says_of_what_is_delayed_when_it_is_due(open_broker: Opener, path: Path) -> None:
    open_broker().close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE delayed DROP COLUMN wait")
        database.execute(
            "INSERT INTO delayed (queue, due, id, payload) SELECT number, 1, 'm1', x'7b7d' FROM queue WHERE name = ?",
            (WORK,),
        )
    broker = open_broker()
    broker.publish([to(WORK, id="m2", delay=RETRY_DELAY)])
    assert ids(consume(broker).wait(2)) == ["m1", "m2"]


def test_a_queue_that_another_program_has_put_there_changes_nothing(open_broker: Opener, path: Path) -> None:
    open_broker().close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO queue (name, head, tail) VALUES (x'ff', 0, 5)")
        database.execute("INSERT INTO delayed (queue, due, id, payload) VALUES (99, 1, 'm', x'')")
    broker = open_broker()
    broker.publish([to(WORK, id="m1")])
    assert ids(consume(broker).wait(1)) == ["m1"]
