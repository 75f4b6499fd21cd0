"""The broker's file changes a queue in its place, and moves a renamed one in one transaction."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest

from runner.brokers.base import Depth
from runner.brokers.embedded.migration import migrated, renamed
from runner.brokers.embedded.survey import surveyed
from runner.brokers.survey import Renamed
from runner.errors import BrokerSetupError
from runner.pipeline import Queue
from tests.brokers.conftest import Opener
from tests.brokers.holder import Holder
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import NEXT, WORK, alone, consume, depth, ids, to, topology
from tests.waiting import wait_until

FORMER, NOW = alone(Queue("former")), alone(Queue("now", was="former"))
KILLED = """
import os, signal, sys
from runner.brokers.embedded.migration import renamed
from runner.brokers.embedded.store import Store
from tests.brokers.embedded.test_migration import NOW
take_over = Store.take_over
def die(*queues):
    take_over(*queues)
    os.kill(os.getpid(), signal.SIGKILL)
Store.take_over = die
renamed([sys.argv[1]], "test", NOW, lambda: True)
"""


def test_no_queue_is_made_anew(open_broker: Opener, place: EmbeddedPlace) -> None:
    open_broker().publish([to(NEXT, id="m")])
    assert migrated([place.address], "test", topology(), lambda: True) == {}
    assert ids(place.contents(NEXT)) == ["m"]


def test_a_renamed_queue_has_all_that_the_former_one_had_behind_what_came_meanwhile(
    open_broker: Opener, place: EmbeddedPlace
) -> None:
    with closing(open_broker(FORMER)) as broker:
        broker.publish([to("former", id="done")])
        broker.settle(consume(broker, "former", prefetch=1).next(), [])
        wait_until(lambda: broker.depths(["former"])["former"].in_hand == 0)
        broker.cancel("former")
        broker.publish([to("former", b'{"n": 1}', id=name, headers={"a": "b"}) for name in ("m1", "m2", "m3")])
        broker.publish([to("former", id="later", delay=60.0), to("former.dlq", id="dead")])
    with closing(open_broker(NOW)) as broker:
        broker.publish([to("now", id="m0", headers={"a": "b"})])
    assert surveyed([place.address], "test", NOW).renamed == (Renamed("now", "former", 5, 0),)
    assert renamed([place.address], "test", NOW, lambda: True) == {"now": 5}
    assert ids(place.contents("now")) == ["m0", "m1", "m2", "m3"]
    assert ids(place.contents("now.dlq")) == ["dead"]
    found = surveyed([place.address], "test", NOW)
    assert (found.missing, found.renamed, found.unnamed) == ((), (), ())
    assert renamed([place.address], "test", NOW, lambda: True) == {}
    with closing(open_broker(NOW)) as broker:
        assert depth(broker, "now") == Depth(ready=4, delayed=1, dead=1)
        taken = consume(broker, "now").wait(4)
        assert [(one.id, one.attempt, one.headers["a"]) for one in taken] == [
            (name, 1, "b") for name in ("m0", "m1", "m2", "m3")
        ]


def test_what_came_back_from_a_worker_comes_along_and_a_death_stays_counted(
    open_broker: Opener, place: EmbeddedPlace, hold: Callable[..., Holder]
) -> None:
    now = alone(Queue("now", was=WORK))
    with closing(open_broker()) as broker:
        broker.publish([to(WORK, id=name) for name in ("m1", "m2", "m3")])
        holder = hold(WORK, prefetch=1)
        holder.take(1)
        holder.kill()
    assert renamed([place.address], "test", now, lambda: True)["now"] == 3
    assert ids(place.contents("now")) == ["m1", "m2", "m3"]
    with closing(open_broker(now)) as broker:
        assert depth(broker, "now").ready == 3
        taken = consume(broker, "now").wait(3)
        assert {one.id: one.attempt for one in taken} == {"m1": 2, "m2": 1, "m3": 1}


def test_nothing_is_moved_while_somebody_uses_the_file(open_broker: Opener, place: EmbeddedPlace) -> None:
    broker = open_broker(FORMER)
    broker.publish([to("former", id="m")])
    with pytest.raises(BrokerSetupError, match="somebody uses the broker's file"):
        renamed([place.address], "test", NOW, lambda: True)
    broker.close()
    assert renamed([place.address], "test", NOW, lambda: True) == {"now": 1}


def test_a_renaming_that_is_killed_is_all_done_or_not_at_all(open_broker: Opener, place: EmbeddedPlace) -> None:
    with closing(open_broker(FORMER)) as broker:
        broker.publish([*(to("former", id=f"m{n}") for n in range(9)), to("former.dlq", id="dead")])
    killed = subprocess.run([sys.executable, "-c", KILLED, place.address], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert ids(place.contents("former")) == [f"m{n}" for n in range(9)]
    assert ids(place.contents("former.dlq")) == ["dead"]
    assert renamed([place.address], "test", NOW, lambda: True) == {"now": 10}
    assert ids(place.contents("now")) == [f"m{n}" for n in range(9)]
