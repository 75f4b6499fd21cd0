"""The embedded broker, as any thread may call it: what it refuses at once, and which calls wait how long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.brokers import outstanding
from runner.brokers.embedded import file
from runner.brokers.embedded.broker import EmbeddedBroker
from runner.errors import BrokerUnavailableError
from tests.brokers.embedded.conftest import Opener
from tests.brokers.plans import WORK, to, topology, turned_away
from tests.waiting import wait_until


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


def test_what_waits_for_a_file_that_is_locked_is_bounded(
    open_broker: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outstanding, "MOST_OUTSTANDING", 200_000)
    broker = open_broker()
    told: list[object] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        taken, reason = turned_away(lambda: broker.submit([to(WORK, bytes(50_000))], told.append))
        taken[-1]()  # nobody waits for it any more
    assert "wait for the broker to confirm them" in reason
    wait_until(lambda: len(told) == len(taken) == 3)
    wait_until(lambda: broker.available)
    broker.publish([to(WORK, bytes(150_000))])
