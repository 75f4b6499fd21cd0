"""Idempotency keys: a request that comes again with its key causes nothing new."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from runner.ledger.database import Database
from runner.ledger.hops import Records
from runner.ledger.ledger import Ledger
from runner.ledger.purge import purge_step
from runner.ledger.requests import Answered, Claimed, Granted, InFlight, Mismatch, Requested
from tests.ledger.ledgers import ROUTE, Asked, claim

ANSWER = b'{"id":"m1"}'


def answer(ledger: Ledger, message: str = "m1", answer: bytes | None = ANSWER, *, key: str = "k1") -> None:
    asked = Asked()
    ledger.answered(ROUTE, key, message, answer, asked)
    assert asked.wait() == (None,)


def in_flight(claimed: Claimed) -> float:
    assert isinstance(claimed, InFlight)
    return claimed.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, where a request is asked about."""
    now = [1_000_000.0]
    monkeypatch.setattr("runner.ledger.ledger.time.time", lambda: now[0])
    return now


def test_a_new_key_is_granted_and_its_message_is_recorded(ledger: Ledger) -> None:
    assert claim(ledger, "m1") == Granted("m1")
    journey = ledger.journey("m1")
    assert journey is not None
    assert journey.standing == "accepted"


def test_a_key_in_flight_is_told_with_its_time_and_records_nothing(ledger: Ledger, clock: list[float]) -> None:
    claim(ledger, "m1", busy=60.0)
    clock[0] += 20.0
    assert in_flight(claim(ledger, "m2")) == 40.0
    assert ledger.journey("m2") is None


def test_a_key_that_is_in_flight_for_too_long_is_taken_over_with_the_same_message(
    ledger: Ledger, clock: list[float]
) -> None:
    claim(ledger, "m1", busy=60.0)
    clock[0] += 61.0
    assert claim(ledger, "m2", busy=60.0) == Granted("m1")
    assert ledger.journey("m2") is None
    assert in_flight(claim(ledger, "m3", busy=60.0)) == 60.0


def test_what_was_answered_is_answered_again_for_as_long_as_it_is_kept(ledger: Ledger, clock: list[float]) -> None:
    claim(ledger, "m1", keep=600.0)
    answer(ledger)
    clock[0] += 599.0
    assert claim(ledger, "m2") == Answered(ANSWER, "m1")
    clock[0] += 2.0
    assert claim(ledger, "m3") == Granted("m3")


def test_another_body_is_told_whether_in_flight_or_answered(ledger: Ledger, clock: list[float]) -> None:
    claim(ledger, "m1", busy=60.0)
    assert claim(ledger, "m2", body="another") == Mismatch()
    clock[0] += 61.0
    assert claim(ledger, "m2", body="another") == Mismatch()
    answer(ledger)
    assert claim(ledger, "m2", body="another") == Mismatch()


def test_a_body_is_known_by_what_an_older_key_made_of_it(ledger: Ledger) -> None:
    claim(ledger, "m1", body="by the older key")
    answer(ledger)
    assert claim(ledger, "m2", body="by the newer key", older=("by the older key",)) == Answered(ANSWER, "m1")
    assert claim(ledger, "m3", body="by the newer key") == Mismatch()


def test_a_request_whose_message_has_the_same_id_each_time_is_in_flight_too(ledger: Ledger, clock: list[float]) -> None:
    """As that of a signed request has."""
    assert claim(ledger, "m1", busy=60.0) == Granted("m1")
    assert claim(ledger, "m1", busy=60.0) == Granted("m1")  # its own transaction, whose end was lost
    clock[0] += 20.0
    assert in_flight(claim(ledger, "m1", busy=60.0)) == 40.0
    assert claim(ledger, "m1", body="another") == Mismatch()
    clock[0] += 41.0
    assert claim(ledger, "m1", busy=60.0) == Granted("m1")


def test_what_was_not_answered_202_may_come_again_at_once_as_the_same_message(ledger: Ledger) -> None:
    claim(ledger, "m1")
    answer(ledger, answer=None)
    assert claim(ledger, "m2") == Granted("m1")


def test_an_answer_is_not_forgotten_for_an_older_request_that_failed(ledger: Ledger, clock: list[float]) -> None:
    claim(ledger, "m1", busy=60.0)
    clock[0] += 61.0
    assert claim(ledger, "m2", busy=60.0) == Granted("m1")
    answer(ledger)
    answer(ledger, answer=None)  # the first one: the broker has not confirmed in time
    assert claim(ledger, "m3") == Answered(ANSWER, "m1")


def test_an_answer_that_comes_after_its_key_has_expired_is_not_that_of_its_successor(
    ledger: Ledger, clock: list[float]
) -> None:
    claim(ledger, "m1", busy=60.0, keep=60.0)
    clock[0] += 61.0
    assert claim(ledger, "m2", body="another") == Granted("m2")
    answer(ledger)
    assert in_flight(claim(ledger, "m3", body="another"))


def test_an_answer_that_comes_after_its_key_was_forgotten_keeps_it_from_nobody(
    ledger: Ledger, ledger_url: str, clock: list[float]
) -> None:
    claim(ledger, "m1", busy=60.0, keep=60.0)
    clock[0] += 61.0
    with closing(Database(ledger_url)) as database, database.transaction() as connection:
        assert purge_step(connection, "", before=0.0, now=clock[0]).forgotten == 1
    answer(ledger)
    assert claim(ledger, "m2", body="another") == Granted("m2")


def test_a_key_does_not_expire_while_its_request_is_in_flight(ledger: Ledger, clock: list[float]) -> None:
    claim(ledger, "m1", busy=300.0, keep=60.0)
    clock[0] += 61.0
    assert in_flight(claim(ledger, "m2"))


def test_keys_differ_in_every_character(ledger: Ledger) -> None:
    keys = ["k", "K", "k ", " k", "k'", "k\\", "ключ", "k" * 255]
    assert [claim(ledger, f"m{n}", key=key) for n, key in enumerate(keys)] == [
        Granted(f"m{n}") for n in range(len(keys))
    ]


def test_of_many_processes_with_one_key_one_is_granted(ledger_url: str) -> None:
    away: list[str] = []
    ledgers = [Ledger(ledger_url).open(timeout=30.0) for _ in range(4)]
    found: list[Claimed] = []

    def ask(number: int) -> None:
        found.extend(claim(ledgers[number], f"m{number}-{turn}", key=f"k{turn}") for turn in range(25))

    for ledger in ledgers:
        ledger.watch(away.append)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    granted = [claimed for claimed in found if isinstance(claimed, Granted)]
    assert len(granted) == 25
    assert len({claimed.message.partition("-")[2] for claimed in granted}) == 25
    assert sum(isinstance(claimed, InFlight) for claimed in found) == 75
    assert away == []
    for ledger in ledgers:
        ledger.close()


def test_of_many_requests_that_come_together_the_first_is_granted(ledger: Ledger, clock: list[float]) -> None:
    """They are decided in one transaction; also where the key has expired, or its request has died."""
    for wanted in ("m0-0", "m1-0", "m1-0"):
        asked = [Asked() for _ in range(50)]
        turn = 0 if wanted == "m0-0" else 1
        _submit_together(ledger, [f"m{turn}-{number}" for number in range(50)], asked)
        first, *others = [each.wait()[0] for each in asked]
        assert first == Granted(wanted)
        assert {type(other) for other in others} == {InFlight}
        clock[0] += 601.0 if wanted == "m0-0" else 61.0


def test_a_request_that_comes_again_meets_its_answer_though_both_are_written_in_one_transaction(
    ledger: Ledger,
) -> None:
    claim(ledger, "m1")
    another, again = Asked(), Asked()
    with _held(ledger):
        _claim(ledger, "k2", "m2", another)  # so that claims come first
        ledger.answered(ROUTE, "k1", "m1", ANSWER, lambda _error: None)
        _claim(ledger, "k1", "m3", again)
    assert (another.wait()[0], again.wait()[0]) == (Granted("m2"), Answered(ANSWER, "m1"))


def _submit_together(ledger: Ledger, messages: list[str], asked: list[Asked]) -> None:
    with _held(ledger):
        for message, then in zip(messages, asked, strict=True):
            _claim(ledger, "k1", message, then)


def _claim(ledger: Ledger, key: str, message: str, then: Asked) -> None:
    requested = Requested(ROUTE, key, "a body", message)
    ledger.claim(requested, lambda _: Records(), busy=60.0, keep=600.0, then=then)


@contextmanager
def _held(ledger: Ledger) -> Iterator[None]:
    """What is handed over here is written together."""
    held = threading.Event()

    def wait(_error: object) -> None:
        held.wait(30)

    ledger.record(Records(), wait)
    yield
    held.set()


def test_a_key_is_not_in_flight_for_ever_after_the_clock_was_set_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(ledger, "m1", busy=60.0)
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() - 86_400)
    assert claim(ledger, "m2", busy=60.0) == Granted("m1")
