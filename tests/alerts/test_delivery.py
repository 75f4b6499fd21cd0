"""Notices on their way to one channel."""

from __future__ import annotations

import logging
import threading

import pytest

from runner.alerts import delivery
from runner.alerts.conditions import Notice
from runner.alerts.delivery import Delivery
from runner.errors import Reject
from tests.alerts.notices import notice
from tests.waiting import wait_until


class Relay:
    """Fails as often as it is told to, and keeps the rest."""

    name = "relay"

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.taken: list[str] = []
        self.asked = 0

    def send(self, notice: Notice) -> None:
        self.asked += 1
        if self._errors:
            raise self._errors.pop(0)
        self.taken.append(notice.id)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_WAIT", 0.01)


def started(relay: Relay) -> Delivery:
    delivery = Delivery(relay)
    delivery.start()
    return delivery


def test_each_notice_is_sent_again_until_it_is_taken_and_in_order(caplog: pytest.LogCaptureFixture) -> None:
    relay = Relay(OSError("refused"), TimeoutError(), OSError("refused"))
    sending = started(relay)
    for name in ("n1", "n2"):
        sending.put(notice(name))
    wait_until(lambda: relay.taken == ["n1", "n2"])
    sending.stop()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings[0] == "alerts: relay: refused; tried again in 0.01 s"
    assert warnings[1] == "alerts: relay: TimeoutError; tried again in 0.02 s"


def test_one_that_is_never_taken_holds_up_none_after_it(caplog: pytest.LogCaptureFixture) -> None:
    relay = Relay(Reject("bounced: no such mailbox"))
    sending = started(relay)
    for name in ("n1", "n2"):
        sending.put(notice(name))
    wait_until(lambda: relay.taken == ["n2"])
    sending.stop()
    assert "relay takes no notice like this one, which is given up: bounced: no such mailbox" in caplog.text


def test_it_ends_in_the_middle_of_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_WAIT", 3600.0)
    relay = Relay(OSError("refused"))
    sending = started(relay)
    sending.put(notice())
    wait_until(lambda: relay.asked)
    sending.stop()
    wait_until(lambda: not any(thread.name == "alerts-relay" for thread in threading.enumerate()))


def test_putting_one_in_waits_for_nobody() -> None:
    held = threading.Event()

    class Hanging(Relay):
        def send(self, notice: Notice) -> None:
            held.wait(30)
            super().send(notice)

    relay = Hanging()
    sending = started(relay)
    for number in range(2_000):
        sending.put(notice(f"n{number}"))
    held.set()
    wait_until(lambda: relay.taken[-1:] == ["n1999"])
    assert len(relay.taken) <= delivery.MOST + 1, "the oldest are left out"
    sending.stop()
