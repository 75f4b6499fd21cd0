"""A ledger that is asked as its users ask it, with answers that are waited for."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from typing import Any

from runner.errors import LedgerError
from runner.ledger.hops import HopKey, Records, Settled, State
from runner.ledger.ledger import Ledger
from runner.ledger.once import Judgement, Rule
from runner.ledger.requests import Claimed, Requested

WAIT = 30.0
"""Seconds."""
ROUTE = "POST /pay"
RETRY = Rule(retries_unknown=True, key_lifetime=None, begins=True)
PARK = Rule(retries_unknown=False, key_lifetime=None, begins=True)


class Asked:
    """The answers to what a ledger was asked, in the order in which they came."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def __call__(self, *answer: Any) -> None:
        self._answers.put(answer)

    def wait(self) -> tuple[Any, ...]:
        return self._answers.get(timeout=WAIT)


def record(ledger: Ledger, records: Records) -> LedgerError | None:
    """Returns when they are durable, or were refused."""
    asked = Asked()
    ledger.record(records, asked)
    [error] = asked.wait()
    assert error is None or isinstance(error, LedgerError)
    return error


def judge(ledger: Ledger, *keys: HopKey, rule: Rule = RETRY) -> Sequence[Judgement]:
    asked = Asked()
    ledger.judge(keys, rule, asked)
    judgements, error = asked.wait()
    assert error is None
    return list(judgements)


def claim(
    ledger: Ledger,
    message: str,
    *,
    key: str = "k1",
    body: str = "a body",
    older: tuple[str, ...] = (),
    busy: float = 60.0,
    keep: float = 600.0,
) -> Claimed:
    """As an intake asks that would publish `message` on the queue `in`."""
    asked = Asked()

    def records(id: str) -> Records:
        found = Records()
        found.published(HopKey(id, "in"), ROUTE, time.time())
        return found

    ledger.claim(Requested(ROUTE, key, body, message, older), records, busy=busy, keep=keep, then=asked)
    claimed, error = asked.wait()
    assert error is None
    return claimed  # type: ignore[no-any-return]


def published(*keys: HopKey, by: str = ROUTE, at: float | None = None) -> Records:
    records = Records()
    for key in keys:
        records.published(key, by, time.time() if at is None else at)
    return records


def settled(key: HopKey, state: State = "handled", *, at: float | None = None, **what: Any) -> Records:
    records = Records()
    given = {"stage": "one", "attempts": 1, "at": time.time() if at is None else at, **what}
    records.settled(Settled(key, state, **given))
    return records
