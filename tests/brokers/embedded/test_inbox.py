"""What is asked of the broker's thread: given up, refused, or never begun."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from runner.brokers.embedded import file
from runner.brokers.embedded.broker import EmbeddedBroker
from runner.errors import BrokerUnavailableError
from tests.brokers.embedded.conftest import Opener
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import NEXT, WORK, ids, to, topology


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
