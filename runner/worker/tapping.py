"""What a worker tells those who tap its stages: each message that it has dealt with, masked.

Nobody taps, nothing observes. Somebody does, and a worker tells a bounded number a second of what it
has dealt with, and how many it left out: it never waits for whoever listens. Left out: how questions
and answers travel (see `Broker.listen`), and how they are shown.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from runner.deadletters import masked_body
from runner.events import Events, Failure, Observer
from runner.message import Delivery, Outgoing
from runner.validation.schema import Schema

LEASE = 4.0
"""Seconds after the last question in which somebody still listens."""
TELL_EVERY = 0.2
"""Seconds between answers."""
MOST_A_SECOND = 50
"""Messages of one worker that are told to one tap: masking a body costs as much as handling a small one."""
MOST_TAPS = 8
"""Of one worker at a time."""
LONGEST_BODY = 2_000
"""Characters."""
LARGEST_ANSWER = 30_000
"""Bytes."""
LARGEST_QUESTION = 10_000
"""Bytes."""
OUTCOMES = ("handled", "retry", "dead", "paused")


def question(stage: str, outcomes: Sequence[str] = ()) -> bytes:
    """What whoever taps `stage` asks; no `outcomes`: all of them."""
    return orjson.dumps({"tap": {"stage": stage, "outcomes": list(outcomes)}})


@dataclass(slots=True)
class _Tap:
    """Somebody who listens."""

    stage: str
    outcomes: frozenset[str]
    answer: Callable[[bytes], None]
    until: float
    told: deque[dict[str, Any]] = field(default_factory=deque)
    left_out: int = 0
    budget: float = MOST_A_SECOND
    refilled: float = 0.0

    def takes_one(self, now: float) -> bool:
        """Whether one more may be told; if not, it is left out."""
        self.budget = min(MOST_A_SECOND, self.budget + (now - self.refilled) * MOST_A_SECOND)
        self.refilled = now
        if self.budget < 1.0:
            self.left_out += 1
            return False
        self.budget -= 1.0
        return True


class Taps(Observer):
    """Those who tap a worker, which has `stages` (each with the schema of its queue), called `name`. It
    observes `events` only while there are some."""

    def __init__(self, name: str, stages: Mapping[str, Schema | None], events: Events) -> None:
        self._name = name
        self._stages = stages
        self._events = events
        self._lock = threading.Lock()
        """Guards the taps, and who observes."""
        self._taps: dict[str, _Tap] = {}

    def asked(self, text: bytes, asker: str, answer: Callable[[bytes], None]) -> None:
        """Somebody asks, perhaps once more; what is no question of a tap is for others."""
        asks = _read(text)
        if asks is None or asks[0] not in self._stages:
            return
        now = time.monotonic()
        with self._lock:
            known = self._taps.get(asker)
            if known is not None:
                known.until, known.answer = now + LEASE, answer
                return
            if len(self._taps) >= MOST_TAPS:
                return
            self._taps[asker] = _Tap(*asks, answer, now + LEASE, refilled=now)
            if len(self._taps) == 1:
                self._events.add(self)
                threading.Thread(target=self._tell, name="taps", daemon=True).start()

    # -- what happens -------------------------------------------------------------------------

    def handled(self, stage: str, delivery: Delivery, messages: Sequence[Outgoing], seconds: float) -> None:
        for tap in self._interested(stage, "handled"):
            to = list(dict.fromkeys(str(message.destination) for message in messages))
            tap.told.append(self._record(stage, "handled", delivery, seconds=seconds, to=to))

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:
        for tap in self._interested(stage, "retry"):
            more = {"seconds": failure.seconds, "error": failure.reason, "delay": delay}
            tap.told.append(self._record(stage, "retry", delivery, **more))

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        for tap in self._interested(stage, "dead"):
            tap.told.append(self._record(stage, "dead", delivery, seconds=failure.seconds, error=failure.reason))

    def paused(self, stage: str, reason: str, delay: float) -> None:
        for tap in self._interested(stage, "paused"):
            tap.told.append({"time": _now(), "stage": stage, "outcome": "paused", "error": reason, "delay": delay})

    def _interested(self, stage: str, outcome: str) -> Iterator[_Tap]:
        now = time.monotonic()
        for tap in list(self._taps.values()):
            if tap.stage == stage and (not tap.outcomes or outcome in tap.outcomes) and tap.takes_one(now):
                yield tap

    def _record(self, stage: str, outcome: str, delivery: Delivery, **more: Any) -> dict[str, Any]:
        body = masked_body(delivery.payload, delivery.id, self._stages[stage], indent=False)
        return {
            "time": _now(),
            "stage": stage,
            "outcome": outcome,
            "id": delivery.id,
            "queue": delivery.queue,
            "attempt": delivery.attempt,
            **more,
            "body": body if len(body) <= LONGEST_BODY else f"{body[: LONGEST_BODY - 1]}…",
        }

    # -- telling, on a thread of its own ------------------------------------------------------------

    def _tell(self) -> None:
        while True:
            time.sleep(TELL_EVERY)
            with self._lock:
                now = time.monotonic()
                self._taps = {asker: tap for asker, tap in self._taps.items() if tap.until > now}
                if not self._taps:
                    self._events.remove(self)
                    return
                taps = list(self._taps.values())
            for tap in taps:
                self._answer(tap)

    def _answer(self, tap: _Tap) -> None:
        """All that there is to tell, in as many answers as it takes; one even if there is nothing."""
        first = True
        while first or tap.told:
            first, size, records = False, 0, list[dict[str, Any]]()
            while tap.told and size < LARGEST_ANSWER // 2:
                records.append(tap.told.popleft())
                size += len(orjson.dumps(records[-1]))
            left_out, tap.left_out = tap.left_out, 0
            tap.answer(orjson.dumps({"worker": self._name, "left_out": left_out, "messages": records}))


def _read(text: bytes) -> tuple[str, frozenset[str]] | None:
    """Stage and outcomes that a question is about; None if it is none."""
    if len(text) > LARGEST_QUESTION:
        return None
    try:
        match orjson.loads(text):
            case {"tap": {"stage": str(stage), "outcomes": [*outcomes]}}:
                return stage, frozenset(map(str, outcomes))
    except ValueError:
        pass
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
