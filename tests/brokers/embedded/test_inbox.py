"""What callers ask of the broker's thread: given up, refused, or never begun."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from runner.errors import BrokerUnavailableError
from tests.brokers.embedded.conftest import Opener
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import NEXT, ids, to
from tests.waiting import wait_until


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


def test_what_waits_to_be_stored_is_not_confirmed_yet(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    with (path.with_name("broker.db.run") / "write.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answered = threading.Event()
        broker.submit([to(NEXT), to(NEXT)], lambda _error: answered.set())
        assert broker.unconfirmed == 2
    assert answered.wait(30)
    wait_until(lambda: broker.unconfirmed == 0)
