"""What is in doubt or pending is looked up: never handled a second time, and told as the handler would have."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runner import Message, Reject, Retry
from runner.engine import Engine
from runner.ledger.ledger import Ledger
from tests.ledger.ledgers import PARK, RETRY
from tests.pipelines import loaded
from tests.waiting import wait_until
from tests.worker.handlers import Recorder
from tests.worker.remembering import Scripted, journey, ledger_of, send, standing
from tests.worker.test_once import begun, handled, letters

HANDLER = "'tests.worker.test_reconcile:Bank'"


class Bank(Scripted):
    """Tells what the test says when it is asked what became of a message."""

    tells: ClassVar[Callable[[Message], Any]]
    asked: ClassVar[list[Message]] = []

    def look_up(self, message: Message) -> Any:
        self.asked.append(message)
        return type(self).tells(message)

    def is_pending(self, result: Any) -> bool:
        return bool(result == {"kind": "pending"})


PAID, PENDING = {"kind": "paid"}, {"kind": "pending"}


@pytest.fixture(autouse=True)
def bank() -> Iterator[type[Bank]]:
    Bank.asked.clear()
    Bank.tells = lambda _message: PAID
    yield Bank
    del Bank.do  # what a test has set here hides what the next one sets


def engine(folder: Path, ledger_url: str, keys: str, *, more: str = "", broker: str = "BROKER") -> Engine:
    Bank.do = Scripted.do
    one = (
        f"  one: {{consume: work, handler: {HANDLER}, publish: out, once: true, record: {{payment: /kind}}, {keys}}}\n"
    )
    two = "  two: {consume: out, handler: 'tests.worker.remembering:Scripted'}\n"
    retry = "defaults: {retry: {attempts: 5, delay: 20ms}}\n"
    queues = "queues: {work: {}, out: {}, events: {}}\n"
    text = f"broker: '{broker}'\nledger: {ledger_url}\n{retry}{queues}stages:\n{one}{two}{more}"
    return Engine(loaded(folder, text), timeout=30)


def told(seen: Recorder) -> list[tuple[str, Any]]:
    """What the next stage has got: the id and the body."""
    return [(message.id, message.body) for message in seen.messages if message.queue == "out"]


UNKNOWN = "on_unknown: park, reconcile: [30ms, 50ms]"


@pytest.fixture(params=["embedded", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    return "BROKER" if request.param == "embedded" else str(request.getfixturevalue("vhost_url"))


def test_an_attempt_in_doubt_that_has_taken_effect_is_told_as_the_handler_would_have(
    tmp_path: Path, ledger_url: str, seen: Recorder, broker: str
) -> None:
    begun(ledger_url, "m1", rule=PARK)
    with engine(tmp_path, ledger_url, UNKNOWN, broker=broker) as running:
        send(running, "m1", "m2")
        wait_until(lambda: [standing(running, name) for name in ("m1", "m2")] == ["done", "done"])
        found = journey(running, "m1")
    assert handled(seen) == ["m2"]
    assert [message.id for message in Bank.asked] == ["m1"]
    assert sorted(told(seen), key=str) == [("m1", PAID), ("m2", {})]
    assert found is not None
    assert found.facts == {"payment": "paid"}
    assert all("looks" not in message.headers for message in seen.messages if message.queue == "out")


def test_a_replay_of_what_was_looked_up_publishes_the_same_and_asks_nobody(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    begun(ledger_url, "m1", rule=PARK)
    with engine(tmp_path, ledger_url, UNKNOWN) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "done")
        send(running, "m1")
        wait_until(lambda: len(told(seen)) == 2)
    assert handled(seen) == []
    assert len(Bank.asked) == 1
    assert told(seen) == [("m1", PAID)] * 2


def test_an_attempt_that_has_surely_not_taken_effect_is_parked_and_its_replay_is_handled(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    Bank.tells = lambda _message: None
    begun(ledger_url, "m1", rule=PARK)
    with engine(tmp_path, ledger_url, UNKNOWN) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "dead")
        assert handled(seen) == []
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "done")
    assert handled(seen) == ["m1"]
    assert "looked up, and has surely not taken effect; a replay handles it" in letters(tmp_path)[0]


def test_look_ups_that_fail_are_repeated_with_each_wait_and_then_a_person_is_told_once(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    def fail(_message: Message) -> Any:
        raise Retry("the bank is away")

    Bank.tells = fail
    begun(ledger_url, "m1", rule=PARK)
    with engine(tmp_path, ledger_url, UNKNOWN) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "dead")
        found = journey(running, "m1")
    assert handled(seen) == []
    assert len(Bank.asked) == 2
    [reason] = letters(tmp_path)
    assert reason == (
        "what became of it could not be looked up: the bank is away;"
        " it was looked up for the last time after 80ms: replay it to look it up again, or drop it"
    )
    assert found is not None
    assert found.hops[0].error == reason


def test_what_waits_to_be_looked_up_says_when_in_the_ledger_and_survives_a_restart(
    tmp_path: Path, ledger_url: str, seen: Recorder, broker: str
) -> None:
    begun(ledger_url, "m1", rule=PARK)
    with engine(tmp_path, ledger_url, "on_unknown: park, reconcile: [3s]", broker=broker) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "waiting")
        found = journey(running, "m1")
    assert found is not None
    [hop] = found.hops
    assert hop.next_at is not None
    assert hop.next_at > time.time() - 60
    assert hop.error.endswith("it is looked up then")
    assert Bank.asked == []
    with engine(tmp_path, ledger_url, "on_unknown: park, reconcile: [3s]", broker=broker) as running:
        wait_until(lambda: standing(running, "m1") == "done")
    assert handled(seen) == []


def test_beyond_the_lifetime_of_its_key_it_is_looked_up_instead_of_parked(
    tmp_path: Path, ledger_url: str, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(ledger_url, "m1", "m2", rule=RETRY)
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + 2 * 3_600)
    Bank.tells = lambda message: PAID if message.id == "m1" else None
    with engine(tmp_path, ledger_url, "key_lifetime: 1h") as running:
        send(running, "m1", "m2")
        wait_until(lambda: [standing(running, name) for name in ("m1", "m2")] == ["done", "done"])
    assert handled(seen) == ["m2"], "and only what has surely not taken effect is handled"
    assert sorted(name for name, _ in told(seen)) == ["m1", "m2"]


def test_a_look_up_that_can_never_work_parks_and_charges_nobody(
    tmp_path: Path, ledger_url: str, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_message: Message) -> Any:
        raise Reject("the gateway can't be asked")

    begun(ledger_url, "m1", rule=RETRY)
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + 2 * 3_600)
    Bank.tells = refuse
    with engine(tmp_path, ledger_url, "key_lifetime: 1h") as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "dead")
    assert handled(seen) == []


def test_what_is_pending_is_told_at_once_and_its_late_answer_when_it_is_there(
    tmp_path: Path, ledger_url: str, seen: Recorder, broker: str
) -> None:
    Scripted.do = lambda message: PENDING if message.queue == "work" else message.body
    Bank.tells = lambda _message: PENDING if len(Bank.asked) < 2 else PAID
    with engine(tmp_path, ledger_url, "reconcile: [30ms, 50ms, 70ms]", broker=broker) as running:
        send(running, "m1", body=b'{"card": 1}')
        wait_until(lambda: standing(running, "m1") == "done")
        found = journey(running, "m1")
    assert handled(seen) == ["m1"]
    assert [(message.id, message.body) for message in Bank.asked] == [("m1", {"card": 1})] * 2
    assert told(seen) == [("m1", PENDING), ("m1.00", PAID)]
    assert found is not None
    assert found.facts == {"payment": "paid"}


def test_what_stays_pending_is_parked_and_a_replay_looks_it_up_and_never_handles_it(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    Scripted.do = lambda message: PENDING if message.queue == "work" else message.body
    Bank.tells = lambda _message: PENDING
    with engine(tmp_path, ledger_url, "reconcile: [30ms, 50ms]") as running:
        send(running, "m1")
        wait_until(lambda: letters(tmp_path))
        [reason] = letters(tmp_path)
        assert reason.startswith("it is still pending; it was looked up for the last time after 80ms")
        Bank.tells = lambda _message: PAID
        send(running, "m1.00")
        wait_until(lambda: standing(running, "m1") == "done")
    assert handled(seen) == ["m1"]
    assert told(seen) == [("m1", PENDING), ("m1.00", PAID)]


LATE_ANSWERS = "  late: {consume: events, handler: 'tests.worker.remembering:Scripted', publish: out, settles: /of}\n"


def pending_then_paid(message: Message) -> Any:
    """The gateway says that it is pending, and later, by itself, that it is paid."""
    return {"work": PENDING, "events": {"kind": "paid", "of": "m1"}}.get(message.queue, message.body)


def test_a_late_answer_that_came_by_itself_ends_the_look_ups(tmp_path: Path, ledger_url: str, seen: Recorder) -> None:
    Scripted.do = pending_then_paid
    with engine(tmp_path, ledger_url, "reconcile: [3s]", more=LATE_ANSWERS) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "waiting")
        send(running, "e1", queue="events")
        wait_until(lambda: standing(running, "m1") == "done")
        wait_until(lambda: running.broker.depths(["work"])["work"].delayed == 0)
    assert Bank.asked == []
    assert [name for name, _ in told(seen)] == ["m1", "e1"]


def test_a_late_answer_that_comes_while_the_message_is_looked_up_is_told_once(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    Scripted.do = pending_then_paid
    with engine(tmp_path, ledger_url, "reconcile: [100ms]", more=LATE_ANSWERS) as running:

        def slowly(_message: Message) -> Any:
            send(running, "e1", queue="events")
            wait_until(lambda: standing(running, "e1") == "done")
            return PAID

        Bank.tells = slowly
        send(running, "m1")
        wait_until(lambda: standing(running, "e1") == "done" and standing(running, "m1") == "done")
        wait_until(lambda: running.broker.depths(["work"])["work"].in_hand == 0)
    assert len(Bank.asked) == 1
    assert [name for name, _ in told(seen)] == ["m1", "e1"]


def test_a_late_answer_that_came_before_the_pending_result_ends_the_look_ups_as_well(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    answered = threading.Event()

    def do(message: Message) -> Any:
        if message.queue == "work":
            assert answered.wait(60)  # the gateway's webhook is faster than its answer
            return PENDING
        return {"kind": "paid", "of": "m1"} if message.queue == "events" else message.body

    Scripted.do = do
    with engine(tmp_path, ledger_url, "reconcile: [100ms]", more=LATE_ANSWERS) as running:
        send(running, "m1")
        wait_until(lambda: handled(seen) == ["m1"])
        send(running, "e1", queue="events")
        wait_until(lambda: standing(running, "e1") == "done")
        answered.set()
        wait_until(lambda: standing(running, "m1") == "done")
    assert Bank.asked == []
    assert [name for name, _ in told(seen)] == ["e1"], "who has been told that it is paid isn't told that it is pending"


def test_a_pending_result_that_is_published_again_waits_again_and_is_not_handled(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    """As after a crash between the record and the publication."""
    Scripted.do = lambda message: PENDING if message.queue == "work" else message.body
    with engine(tmp_path, ledger_url, "reconcile: [100ms]") as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "done")
        send(running, "m1")
        wait_until(lambda: len(told(seen)) == 4)
    assert handled(seen) == ["m1"]
    assert len(Bank.asked) == 1
    assert sorted(name for name, _ in told(seen)) == ["m1", "m1", "m1.00", "m1.00"]


def test_a_handler_that_hangs_is_looked_up_instead_of_parked(tmp_path: Path, ledger_url: str, seen: Recorder) -> None:
    ledger = Ledger(ledger_url).open(timeout=30.0)
    ledger.close()

    def hang(message: Message) -> Any:
        if message.queue == "work":
            time.sleep(1.0)
        return message.body

    Scripted.do = hang
    with engine(tmp_path, ledger_url, f"timeout: 200ms, {UNKNOWN}") as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "done")
        assert ledger_of(running).away == ""
    assert told(seen) == [("m1", PAID)]
    assert handled(seen) == ["m1"]
