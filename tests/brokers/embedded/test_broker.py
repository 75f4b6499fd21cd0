"""The embedded broker, as any thread may call it: what is refused at once, and who waits how long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.brokers.embedded import file
from runner.brokers.embedded.broker import EmbeddedBroker
from runner.errors import BrokerUnavailableError
from tests.brokers.embedded.conftest import Opener
from tests.brokers.plans import WORK, to, topology


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
