"""What is known of a delivery before it is handled, and results that are published again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Connection

from runner.errors import LedgerAwayError
from runner.ledger.database import Database
from runner.ledger.holders import holders_of
from runner.ledger.hops import HopKey, HopStatements, Records
from runner.ledger.ledger import Ledger
from runner.ledger.once import JudgeJob, Judgement, Rule, restored, stored
from runner.ledger.writer import Writer
from runner.message import VIA, Destination, Outgoing
from tests.ledger.ledgers import PARK, RETRY, Asked, judge, published, record, settled
from tests.waiting import wait_until

KEY = HopKey("m1", "in")
LOOKING = Rule(retries_unknown=False, key_lifetime=None, begins=False)
RESULT = b'[["","out","m1","{}",""]]'


def standing(ledger: Ledger, key: HopKey = KEY, rule: Rule = LOOKING) -> str:
    [judgement] = judge(ledger, key, rule=rule)
    return judgement.standing


def state(ledger: Ledger) -> str:
    journey = ledger.journey("m1")
    assert journey is not None
    [hop] = journey.hops
    return hop.state


def test_what_nobody_has_begun_is_new(ledger: Ledger) -> None:
    assert standing(ledger) == "new"
    record(ledger, published(KEY))
    assert standing(ledger) == "new"


def test_what_may_be_handled_has_begun_from_then_on(ledger: Ledger) -> None:
    assert standing(ledger, rule=RETRY) == "new"
    assert state(ledger) == "begun"
    assert standing(ledger) == "held"


def test_of_two_deliveries_of_one_copy_at_once_the_second_is_held(ledger: Ledger) -> None:
    other = HopKey("m2", "in")
    assert [one.standing for one in judge(ledger, KEY, other, KEY)] == ["new", "new", "held"]
    assert [one.standing for one in judge(ledger, HopKey("m3", "in"), KEY)] == ["new", "held"]


def test_what_another_process_has_begun_is_held_as_long_as_that_lives(ledger: Ledger, ledger_url: str) -> None:
    other = Ledger(ledger_url).open(timeout=30.0)
    assert standing(other, rule=RETRY) == "new"
    assert standing(ledger, rule=RETRY) == "held"
    other.close()
    wait_until(lambda: standing(ledger, rule=RETRY) == "unknown")
    assert standing(ledger, rule=RETRY) == "held", "now it is ours"


def test_what_two_processes_want_to_begin_at_once_is_begun_by_one(ledger: Ledger, ledger_url: str) -> None:
    other = Ledger(ledger_url).open(timeout=30.0)
    for turn in range(20):
        first, second = Asked(), Asked()
        keys = [HopKey(f"m{turn}-{n}", "in") for n in range(50)]
        record(ledger, published(*keys[::2]))
        ledger.judge(keys, RETRY, first)
        other.judge(list(reversed(keys)), RETRY, second)
        (ours, _), (theirs, _) = first.wait(), second.wait()
        by_us = [judgement.standing for judgement in ours]
        by_them = [judgement.standing for judgement in reversed(theirs)]
        assert all(sorted(pair) == ["held", "new"] for pair in zip(by_us, by_them, strict=True))
    other.close()


def test_what_was_taken_over_is_not_given_back_by_who_had_it_before(ledger: Ledger, ledger_url: str) -> None:
    other = Ledger(ledger_url).open(timeout=30.0)
    judge(other, KEY)
    other._holders.vanish()
    wait_until(lambda: judge(ledger, KEY)[0].standing == "unknown")  # PostgreSQL notices the end of a session
    records = Records()
    records.released(KEY, other.holder)
    record(other, records)
    assert state(ledger) == "begun"
    other.close()


def test_an_attempt_that_came_to_an_end_is_known_to_have_failed(ledger: Ledger) -> None:
    standing(ledger, rule=RETRY)
    record(ledger, settled(KEY, "waiting", error="the bank is away"))
    assert standing(ledger) == "failed"


def test_what_was_handled_is_finished_with_its_result(ledger: Ledger) -> None:
    standing(ledger, rule=RETRY)
    record(ledger, settled(KEY, result=RESULT))
    assert judge(ledger, KEY) == [Judgement("finished", result=RESULT)]
    assert state(ledger) == "handled"


def test_a_result_that_could_not_be_published_is_not_forgotten(ledger: Ledger) -> None:
    """The queue was full: the delivery waits, and is handled all the same."""
    standing(ledger, rule=RETRY)
    record(ledger, settled(KEY, result=RESULT))
    record(ledger, settled(KEY, "waiting", attempts=1, next_at=time.time() + 60, error="out is full"))
    assert state(ledger) == "waiting"
    assert judge(ledger, KEY) == [Judgement("finished", result=RESULT)]
    assert state(ledger) == "handled", "it is about to be published"


def test_what_was_only_given_back_is_as_it_was(ledger: Ledger) -> None:
    standing(ledger, rule=RETRY)
    records = Records()
    records.released(KEY, ledger.holder)
    record(ledger, records)
    assert standing(ledger) == "failed"


def test_an_idempotency_key_is_as_old_as_the_first_attempt(ledger: Ledger) -> None:
    began = time.time()
    for _ in range(3):
        [judgement] = judge(ledger, KEY)
        record(ledger, settled(KEY, "waiting"))
    [judgement] = judge(ledger, KEY)
    assert 0 < judgement.key_age <= time.time() - began


def test_each_copy_on_each_queue_in_each_way_is_judged_by_itself(ledger: Ledger) -> None:
    record(ledger, settled(HopKey("m1.1", "in", "a"), result=RESULT))
    others = [HopKey("m1.1", "in", "b"), HopKey("m1.2", "in", "a"), HopKey("m1", "in")]
    found = judge(ledger, *others, HopKey("m1.1", "in", "a"), rule=LOOKING)
    assert [judgement.standing for judgement in found] == ["new", "new", "new", "finished"]
    assert standing(ledger, HopKey("m1.1", "elsewhere", "a")) == "new"


def test_many_are_judged_at_once(ledger: Ledger) -> None:
    keys = [HopKey(f"m{n}", "in") for n in range(5_000)]
    records = Records()
    for key in keys[::2]:
        records.add(settled(key, result=RESULT))
    record(ledger, records)
    found = judge(ledger, *keys, rule=RETRY)
    assert [judgement.standing for judgement in found] == ["finished", "new"] * 2_500


@pytest.mark.parametrize(
    ("judgement", "retry", "park"),
    [
        (Judgement("new"), True, True),
        (Judgement("failed", 10.0), True, True),
        (Judgement("unknown", 10.0), True, False),
        (Judgement("held", 10.0), False, False),
        (Judgement("finished"), False, False),
        (Judgement("failed", 3_601.0), False, False),
        (Judgement("unknown", 3_601.0), False, False),
        (Judgement("failed", -5.0), True, True),
    ],
)
def test_what_may_be_handled(judgement: Judgement, retry: bool, park: bool) -> None:
    rules = [Rule(retries_unknown=unknown, key_lifetime=3_600.0, begins=True) for unknown in (True, False)]
    assert [rule.allows(judgement) for rule in rules] == [retry, park]


class Forgetful(Database):
    """A database whose first answer to a commit is lost."""

    lost = False

    @contextmanager
    def transaction(self, wait: float | None = None, *, prompt: bool = False) -> Iterator[Connection]:
        with super().transaction(wait, prompt=prompt) as connection:
            yield connection
        if not self.lost:
            self.lost = True
            raise LedgerAwayError("server closed the connection unexpectedly")


def test_what_began_by_a_commit_whose_answer_was_lost_is_not_taken_for_unknown(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.writer.RETRY", 0.02)
    database, holders, asked = Forgetful(ledger_url), holders_of(ledger_url), Asked()
    with suppress(LedgerAwayError):
        database.upgrade()
    database.lost = False
    writer = Writer(database, away=lambda *_: None, back=lambda: None)
    writer.is_away = ""
    writer.submit(JudgeJob([KEY], PARK, time.time(), HopStatements(database), holders, asked))
    writer.start()
    [judgement], error = asked.wait()
    assert (judgement.standing, error) == ("new", None)
    writer.close(timeout=5.0)
    holders.vanish()
    database.close()


def test_what_nobody_waits_for_any_more_does_not_begin(ledger: Ledger) -> None:
    asked, statements = Asked(), HopStatements(ledger._database)
    job = JudgeJob([KEY], RETRY, time.time(), statements, ledger._holders, asked)
    job.give_up()
    ledger._writer.submit(job)
    asked.wait()
    assert ledger.journey("m1") is None


def test_a_result_is_the_same_again_with_the_deliverys_headers() -> None:
    messages = [
        Outgoing(Destination("", "out"), "m1.1", '{"name":"Zoë"}'.encode(), {"trace": "abc"}),
        Outgoing(Destination("events", "paid.eu"), "m1.2", b"[1,null]", {"trace": "abc", VIA: "ab12"}),
    ]
    again = restored(stored(messages), {"trace": "abc", VIA: "ffff"})
    assert [(m.destination, m.id, m.payload) for m in again] == [(m.destination, m.id, m.payload) for m in messages]
    assert [m.headers for m in again] == [{"trace": "abc"}, {"trace": "abc", VIA: "ab12"}]


def test_a_result_goes_to_the_queue_under_its_name_of_today() -> None:
    places = [("", "old"), ("", "out"), ("old", "old")]
    kept = stored([Outgoing(Destination(*place), "m1", b"{}") for place in places])
    again = restored(kept, {}, b"", {"old": "new"})
    assert [tuple(m.destination) for m in again] == [("", "new"), ("", "out"), ("old", "old")]


def test_a_result_of_nothing_is_a_result(ledger: Ledger) -> None:
    record(ledger, settled(KEY, result=stored([])))
    assert judge(ledger, KEY) == [Judgement("finished", result=b"[]")]
    assert restored(b"[]", {}) == []


@pytest.mark.parametrize("result", [b"", b"no JSON", b"[1]", b'[["","out","m1"]]', b'[["","out","m1",7,""]]'])
def test_what_is_no_result_is_said_to_be_none(result: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        restored(result, {})


def test_a_copy_that_waits_is_kept_without_its_body_and_waits_again() -> None:
    home = Destination("", "in")
    late = Outgoing(home, "m1.00", b'{"card": 1}', {"looks": 1}, delay=300.0)
    kept = stored([Outgoing(Destination("", "out"), "m1", b"{}"), late])
    assert b"card" not in kept
    told, again = restored(kept, {"a": "b"}, b'{"card": 1}')
    assert (told.id, told.delay, told.headers) == ("m1", 0, {"a": "b"})
    assert (again.id, again.payload, again.delay) == ("m1.00", b'{"card": 1}', 300.0)
    assert again.headers == {"a": "b", "looks": 1}
