"""One outcome is told once, whichever way it comes: by the stage's own attempt, a look-up or a late answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import Message
from runner.engine import Engine
from runner.worker.telling import pointed_at
from tests.pipelines import loaded
from tests.waiting import wait_until
from tests.worker.handlers import Recorder
from tests.worker.remembering import HANDLER, Scripted, journey, send, standing
from tests.worker.test_reconcile import HANDLER as BANK
from tests.worker.test_reconcile import PAID, PENDING, Bank, told


class Gateway:
    """Answers what is asked, and reports by itself."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], Any]] = {}
        """By the id of a payment; else it is paid."""

    def __call__(self, message: Message) -> Any:
        if message.queue == "work":
            return self.answers.get(message.id, lambda: PAID)()
        return message.body


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    double = Gateway()
    Scripted.do = double
    Bank.do = double
    Bank.asked.clear()
    Bank.tells = lambda _message: PAID
    yield double
    del Bank.do


def engine(folder: Path, ledger_url: str, *, one: str = "publish: out", late: str = "publish: out") -> Engine:
    stages = (
        f"  one: {{consume: work, handler: {BANK}, once: true, record: {{payment: /kind}}, {one}}}\n"
        f"  late: {{consume: events, handler: {HANDLER}, settles: /of, record: {{payment: /kind}}, {late}}}\n"
        f"  two: {{consume: out, handler: {HANDLER}}}\n"
        f"  three: {{consume: audit, handler: {HANDLER}}}\n"
    )
    queues = "{work: {}, out: {}, events: {}, audit: {}}"
    retry = "defaults: {retry: {attempts: 5, delay: 20ms}}"
    return Engine(
        loaded(folder, f"broker: BROKER\nledger: {ledger_url}\n{retry}\nqueues: {queues}\nstages:\n{stages}"),
        timeout=30,
    )


def report(running: Engine, name: str, kind: str, of: str = "m1") -> None:
    """The gateway reports by itself."""
    send(running, name, queue="events", body=b'{"kind": "%s", "of": "%s"}' % (kind.encode(), of.encode()))


def reported(running: Engine, name: str, kind: str, of: str = "m1") -> None:
    """The same, and that is dealt with."""
    report(running, name, kind, of)
    ended(running, name)


def ended(running: Engine, *names: str) -> None:
    wait_until(lambda: all(standing(running, name) == "done" for name in names))


def payment(running: Engine, id: str = "m1") -> Any:
    found = journey(running, id)
    assert found is not None
    return found.facts.get("payment")


def names(seen: Recorder) -> list[str]:
    return [name for name, _ in told(seen)]


def test_an_attempt_that_ends_after_its_outcome_was_reported_tells_nothing_more(
    tmp_path: Path, ledger_url: str, seen: Recorder, gateway: Gateway
) -> None:
    over = threading.Event()
    gateway.answers["m1"] = lambda: over.wait(60) and PAID
    with engine(tmp_path, ledger_url) as running:
        send(running, "m1")
        wait_until(lambda: len(seen.messages) == 1)
        reported(running, "e1", "paid")
        over.set()
        ended(running, "m1")
        assert payment(running) == "paid"
    assert names(seen) == ["e1"]


def test_a_report_of_what_the_attempt_has_told_tells_nothing_more(
    tmp_path: Path, ledger_url: str, seen: Recorder, gateway: Gateway
) -> None:
    with engine(tmp_path, ledger_url) as running:
        send(running, "m1")
        ended(running, "m1")
        reported(running, "e1", "paid")
    assert names(seen) == ["m1"]


def test_a_report_of_what_a_look_up_has_told_tells_nothing_more(
    tmp_path: Path, ledger_url: str, seen: Recorder, gateway: Gateway
) -> None:
    gateway.answers["m1"] = lambda: PENDING
    with engine(tmp_path, ledger_url, one="publish: out, reconcile: [30ms]") as running:
        send(running, "m1")
        ended(running, "m1")
        reported(running, "e1", "paid")
    assert names(seen) == ["m1", "m1.00"]


def test_another_outcome_is_told_whatever_was_told_before(
    tmp_path: Path, ledger_url: str, seen: Recorder, gateway: Gateway
) -> None:
    with engine(tmp_path, ledger_url) as running:
        send(running, "m1")
        ended(running, "m1")
        for name, kind in (("e1", "disputed"), ("e2", "paid"), ("e3", "refunded"), ("e4", "refunded")):
            reported(running, name, kind)
        assert payment(running) == "refunded"
    assert names(seen) == ["m1", "e1", "e3"]


def test_whoever_tells_an_outcome_tells_it_again_when_it_comes_again_and_nobody_else_does(
    tmp_path: Path, ledger_url: str, seen: Recorder, gateway: Gateway
) -> None:
    """As after a crash between the record and the publication."""
    with engine(tmp_path, ledger_url) as running:
        send(running, "m1")
        ended(running, "m1")
        reported(running, "e1", "paid")
        reported(running, "e2", "refunded")
        send(running, "m1")
        report(running, "e1", "paid")
        report(running, "e2", "refunded")
        wait_until(lambda: len(names(seen)) == 4)
        wait_until(lambda: all(on.ready + on.in_hand == 0 for on in running.broker.depths(["work", "events"]).values()))
        assert payment(running) == "refunded"
    assert sorted(names(seen)) == ["e2", "e2", "m1", "m1"]


def test_that_it_is_pending_is_not_told_after_its_outcome(
    tmp_path: Path, ledger_url: str, seen: Recorder, gateway: Gateway
) -> None:
    over = threading.Event()
    gateway.answers["m1"] = lambda: over.wait(60) and PENDING
    with engine(tmp_path, ledger_url, one="publish: out, reconcile: [100ms]") as running:
        send(running, "m1")
        wait_until(lambda: len(seen.messages) == 1)
        reported(running, "e1", "paid")
        over.set()
        ended(running, "m1")
        assert payment(running) == "paid"
    assert names(seen) == ["e1"]
    assert Bank.asked == []


def test_an_outcome_that_was_told_on_one_queue_is_still_told_on_another(
    tmp_path: Path, ledger_url: str, seen: Recorder, gateway: Gateway
) -> None:
    over = threading.Event()
    gateway.answers["m1"] = lambda: over.wait(60) and PAID
    with engine(tmp_path, ledger_url, one="publish: [out, audit]") as running:
        send(running, "m1")
        wait_until(lambda: len(seen.messages) == 1)
        reported(running, "e1", "paid")
        over.set()
        ended(running, "m1")
    assert names(seen) == ["e1"]
    assert [message.id for message in seen.messages if message.queue == "audit"] == ["m1"]


def test_what_is_reported_of_a_message_that_nobody_knows_is_told_and_recorded_of_the_report(
    tmp_path: Path, ledger_url: str, seen: Recorder, gateway: Gateway
) -> None:
    with engine(tmp_path, ledger_url) as running:
        reported(running, "e1", "paid", of="m7")
        assert journey(running, "m7") is None
        assert payment(running, "e1") == "paid"
    assert names(seen) == ["e1"]


@pytest.mark.parametrize(
    ("pointer", "found"),
    [("/a/1", 2), ("/a", [1, 2]), ("/b~1c", "x"), ("/d~0e", None), ("/", "empty"), ("/a/0", 1)],
)
def test_a_pointer_leads_into_a_body(pointer: str, found: Any) -> None:
    assert pointed_at(b'{"a": [1, 2], "b/c": "x", "d~e": null, "": "empty"}', pointer) == found


@pytest.mark.parametrize("pointer", ["/x", "/a/2", "/a/-", "/a/b", "/a/0/0", "/a/-1"])
def test_a_pointer_that_leads_nowhere_is_no_fault(pointer: str) -> None:
    missing = pointed_at(b"{}", "/nothing")
    assert pointed_at(b'{"a": [1, 2]}', pointer) is missing
