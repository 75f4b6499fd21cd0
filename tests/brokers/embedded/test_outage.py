"""Whether the broker is available, and that it is told once when that changes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from runner.brokers.answer import Answer
from runner.brokers.embedded.file import DiskFullError
from runner.brokers.embedded.outage import Outage
from runner.errors import BrokerUnavailableError
from runner.events import Events, Observer

FULL, BUSY = DiskFullError("the disk is full"), BrokerUnavailableError("it is busy")


class Told(Observer):
    def __init__(self) -> None:
        self.all: list[str] = []

    def connected(self, broker: str, again: bool) -> None:
        self.all.append("back" if again else "there")

    def disconnected(self, broker: str, reason: str, mends: bool) -> None:
        self.all.append(reason)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def closing() -> threading.Event:
    return threading.Event()


@pytest.fixture
def outage(told: Told, closing: threading.Event) -> Outage:
    """Of a broker that is open."""
    opened = Answer()
    found = Outage(Path("broker.db"), Events([told]), opened=opened, closing=closing)
    found.set(None)
    opened.give()
    return found


def test_each_change_is_told_once(outage: Outage, told: Told) -> None:
    for reason in (BUSY, BUSY, None, None, BUSY, None):
        outage.set(reason)
    assert told.all == ["there", "it is busy", "back", "it is busy", "back"]


def test_a_full_disk_is_told_once_though_something_small_has_found_room(outage: Outage, told: Told) -> None:
    for reason in (FULL, None, FULL, None):
        outage.set(reason)
    assert (outage.reason, outage.is_cramped, told.all) == (None, True, ["there", "the disk is full"])
    outage.has_room()
    assert (outage.is_cramped, told.all[2:]) == (False, ["back"])


def test_nothing_is_told_at_the_end(outage: Outage, told: Told, closing: threading.Event) -> None:
    closing.set()
    outage.set(BUSY)
    assert (outage.reason, told.all) == (BUSY, ["there"])
