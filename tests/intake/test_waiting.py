"""Requests that wait for the end of their message."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from runner.errors import LedgerError
from runner.intake import waiting
from runner.intake.waiting import preferred_wait, waiters_of
from runner.ledger.hops import HopKey
from tests.brokers.places import EmbeddedPlace
from tests.http_client import Answer
from tests.intake.remembering import Intake
from tests.intake.served import FINE
from tests.ledger.ledgers import record, settled
from tests.waiting import wait_until


def post(intake: Intake, prefer: str, **headers: str) -> Answer:
    given = {"Content-Type": "application/json", "Prefer": prefer, **headers}
    return intake.client.request("POST", "/pay", b'{"card": "%s"}' % FINE["card"].encode(), given)


def stored_id(intake: Intake) -> str:
    """The id of the message that is stored, as soon as there is one."""
    place = EmbeddedPlace(intake.folder / "broker.db")
    wait_until(lambda: bool(place.contents("payments")))
    return place.contents("payments")[0].id


def meanwhile(intake: Intake, ends: Callable[[str], None], prefer: str = "wait=30", **headers: str) -> Answer:
    """The answer to a request whose message reaches its end while it waits."""
    with ThreadPoolExecutor(1) as pool:
        asked: Future[Answer] = pool.submit(post, intake, prefer, **headers)
        ends(stored_id(intake))
        return asked.result(60)


def handled(intake: Intake) -> Callable[[str], None]:
    def end(message: str) -> None:
        records = settled(HopKey(message, "payments"))
        records.recorded(message, "payment", '"paid"', time.time())
        record(intake.ledger, records)

    return end


def test_one_that_ends_in_time_is_answered_200_with_its_final_status(intake: Intake) -> None:
    answer = meanwhile(intake, handled(intake))
    assert (answer.status, answer.mimetype) == (200, "application/json")
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert (answer.json["status"], answer.json["recorded"]) == ("done", {"payment": "paid"})
    assert answer.json == intake.get(answer.headers["Location"]).json


def test_one_that_dies_in_time_is_answered_200_too(intake: Intake) -> None:
    def dies(message: str) -> None:
        record(intake.ledger, settled(HopKey(message, "payments"), "dead"))

    answer = meanwhile(intake, dies)
    assert (answer.status, answer.json["status"]) == (200, "dead")


def test_one_that_takes_longer_is_202_as_always(intake: Intake) -> None:
    answer = post(intake, "wait=1")
    assert (answer.status, answer.json["status"]) == (202, "accepted")
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert answer.headers["Location"] == f"/payments/{answer.json['id']}"


@pytest.mark.parametrize("prefer", ["wait", "wait=soon", "wait=-1", "wait=0", "return=minimal", '"', "wait=5 6"])
def test_what_does_not_ask_to_wait_is_answered_at_once(intake: Intake, prefer: str) -> None:
    answer = post(intake, prefer)
    assert answer.status == 202
    assert "Preference-Applied" not in answer.headers


def test_a_repeated_request_waits_too(intake: Intake) -> None:
    first = post(intake, "", **{"Idempotency-Key": '"k"'})
    answer = meanwhile(intake, handled(intake), **{"Idempotency-Key": '"k"'})
    assert (answer.status, answer.headers["Idempotent-Replayed"]) == (200, "true")
    assert answer.json["id"] == first.json["id"]


def test_a_ledger_that_is_away_in_between_only_delays_the_answer(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, asked = intake.ledger.ended, list[int]()

    def away_once(ids: list[str]) -> object:
        asked.append(len(ids))
        if len(asked) < 3:
            raise LedgerError("it is away")
        return ended(ids)

    monkeypatch.setattr(intake.ledger, "ended", away_once)
    assert meanwhile(intake, handled(intake)).status == 200
    assert len(asked) >= 3


def test_all_that_wait_are_asked_for_together_by_one_thread_which_ends_with_them(
    intake: Intake,
) -> None:
    waiters = waiters_of(intake.pipeline.pipeline, intake.ledger)
    assert waiters is not None
    waits = [waiters.enter(f"m{number}", "wait=30") for number in range(50)]
    assert sum(thread.name == "waiters" for thread in threading.enumerate()) == 1
    record(intake.ledger, settled(HopKey("m1", "payments")))
    assert waits[1] is not None
    assert waits[1].end.result(60) is not None
    for wait in waits:
        assert wait is not None
        waiters.leave(wait)
    wait_until(lambda: not any(thread.name == "waiters" for thread in threading.enumerate()))


def test_beyond_the_limit_nobody_waits(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST", 1)
    waiters = waiters_of(intake.pipeline.pipeline, intake.ledger)
    assert waiters is not None
    assert waiters.enter("m1", "wait=30") is not None
    assert waiters.enter("m2", "wait=30") is None
    waiters.stop()


def test_a_stop_ends_every_wait_and_none_begins(intake: Intake) -> None:
    waiters = waiters_of(intake.pipeline.pipeline, intake.ledger)
    assert waiters is not None
    wait = waiters.enter("m1", "wait=30")
    assert wait is not None
    waiters.stop()
    assert wait.end.result(0) is None
    assert waiters.enter("m1", "wait=30") is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ("respond-async, WAIT=10", 10),
        ('wait = "7" ; a=b, x', 7),
        (",,wait=5,", 5),
        ("wait=5, wait=9", 5),
        ("wait=500", waiting.LONGEST),
        ("wait=99999999999", 0),
        ("waiting=4", 0),
        ("handling=lenient;wait=3", 0),
        ('x="a, wait=3"', 0),
        ("wait=٣", 0),
        ("", 0),
        ("a" * 50_000 + "(", 0),
        ("wait" + " " * 50_000 + "(", 0),
    ],
)
def test_a_prefer_header_is_read_as_rfc_7240_has_it(header: str, seconds: int) -> None:
    assert preferred_wait(header) == seconds
