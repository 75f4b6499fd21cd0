"""A stage that runs once: what its handler may see, asked of the ledger first.

A delivery that was handled before isn't handled again: the recorded result is published, for
the first time or once more. One that another worker is at work on is given back until that
one has done with it or has died. One whose earlier attempt has no known end is tried again with the
same id, or parked: moved to the dead letters, for a person to decide.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from runner.brokers.base import Carrier, Consumer
from runner.errors import KeysError, LedgerError, Pause, PublishError, Reject
from runner.handlers.around import Around
from runner.handlers.factory import Handler, HandlerFactory
from runner.ledger.hops import HopKey
from runner.ledger.ledger import Ledger
from runner.ledger.lineage import hop_of, via_of
from runner.ledger.once import Judgement, Rule, opened_result, restored
from runner.message import LATE, LOOKS, Delivery, Message
from runner.pipeline import Stage
from runner.privacy.sealing import Sealer
from runner.units import format_duration
from runner.wording import facts

log = logging.getLogger("runner.worker")

MARKED = Rule(retries_unknown=True, key_lifetime=None, begins=False)
"""For what comes to be looked up: its slot judges it."""
DIED = "a worker died while it was handled, so that it may have taken effect"
MOST_NAMED = 5
"""Messages in one line of the log."""
LOG_EVERY = 30.0
"""Seconds between such lines."""
ANSWER_TIMEOUT = 10.0
"""Seconds that a slot waits for the ledger before its message is given back."""
PAUSE = 2.0
"""Seconds for which its stage then takes nothing."""
HELD = 1.0
"""Seconds until a message is given back that somebody else is at work on."""


class Refusing(Consumer, Protocol):
    """A stage's consumer, as the gate needs it."""

    def refuse(self, delivery: Delivery, reason: str) -> None:
        """Move it to the dead letters, unhandled. From any thread."""


def rule_of(stage: Stage) -> Rule:
    """What is begun is recorded when a delivery comes, many in one transaction; where an unknown
    outcome has to be exact, just before the handler is called."""
    return Rule(stage.on_unknown == "retry", stage.key_lifetime, begins=stage.on_unknown == "retry")


class Gate(Consumer):
    """Stands before the consumer of a stage that runs once. `given_back` takes what has begun, and
    can't be handled here any more. `looks_up`: what is in doubt is handed on, marked, to be looked up.
    `renamed`: the queues' former names, which recorded results may still have, and those of today."""

    def __init__(
        self,
        stage: Stage,
        ledger: Ledger,
        broker: Carrier,
        consumer: Refusing,
        given_back: Callable[[Sequence[Delivery]], None],
        *,
        looks_up: bool = False,
        sealer: Sealer | None = None,
        renamed: Mapping[str, str],
    ) -> None:
        self._sealer = sealer
        self._renamed = renamed
        self._reconciles = looks_up and bool(stage.reconcile)
        self._looks_up = looks_up
        self._given_back = given_back
        self._log_again = 0.0
        self._rule = rule_of(stage)
        self._ledger = ledger
        self._broker = broker
        self._consumer = consumer

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        rest = deliveries
        if self._looks_up:
            marked = [d for d in deliveries if LOOKS in d.headers or d.id.endswith(LATE)]
            if marked:
                rest = [delivery for delivery in deliveries if delivery not in marked]
                self._judge(marked, MARKED)
        if rest:
            self._judge(rest, self._rule)

    def _judge(self, deliveries: Sequence[Delivery], rule: Rule) -> None:
        keys = [hop_of(delivery) for delivery in deliveries]
        self._ledger.judge(keys, rule, partial(self._judged, deliveries, rule))

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        self._consumer.settle_failed(delivery, error)

    def taken_back(self) -> None:
        self._consumer.taken_back()

    def is_innocent(self, id: str, attempt: int) -> bool:
        return self._consumer.is_innocent(id, attempt)

    def acquittals(self, id: str, attempts: range) -> int:
        return self._consumer.acquittals(id, attempts)

    def _judged(
        self,
        deliveries: Sequence[Delivery],
        rule: Rule,
        judgements: Sequence[Judgement] | None,
        error: LedgerError | None,
    ) -> None:
        if judgements is None:
            for delivery in deliveries:
                self._consumer.refuse(delivery, f"parked, for the ledger can't tell whether it was handled: {error}")
            return
        allowed, held, gone = list[Delivery](), list[Delivery](), list[Delivery]()
        for delivery, judgement in zip(deliveries, judgements, strict=True):
            if rule.allows(judgement) or self._in_doubt(delivery, judgement):
                (allowed if delivery.session.open else gone).append(delivery)
            elif judgement.standing == "held":
                held.append(delivery)
            elif judgement.standing == "finished":
                self._settle_again(delivery, judgement.result)
            else:
                self._consumer.refuse(delivery, why_parked(judgement, self._rule))
        if allowed:
            self._consumer.deliver(allowed)
        if held:
            self._give_back_later(held)
        if gone:
            self._given_back(gone)

    def _in_doubt(self, delivery: Delivery, judgement: Judgement) -> bool:
        """Whether it is to be looked up; then it is marked."""
        if not self._looks_up or judgement.standing in ("held", "finished"):
            return False
        lifetime = self._rule.key_lifetime
        if not self._reconciles and (lifetime is None or judgement.key_age <= lifetime):
            return False
        delivery.headers = {**delivery.headers, LOOKS: 0}
        return True

    def _give_back_later(self, held: Sequence[Delivery]) -> None:
        """Somebody is at work on them, who has lost them. They come again, uncounted."""
        if (now := time.monotonic()) > self._log_again:
            self._log_again = now + LOG_EVERY
            ids = [delivery.id for delivery in held[:MOST_NAMED]]
            told = facts(queue=held[0].queue, ids=ids)
            log.info("given back, since another worker is still at work on it: %s", ", ".join(ids), extra=told)
        timer = threading.Timer(HELD, self._broker.release, [held])
        timer.daemon = True
        timer.start()

    def _settle_again(self, delivery: Delivery, result: bytes) -> None:
        try:
            result = opened_result(result, hop_of(delivery), self._sealer)
            messages = restored(result, delivery.headers, delivery.payload, self._renamed) if result else []
        except (ValueError, KeysError) as error:
            self._consumer.refuse(delivery, f"it was handled, but its recorded result can't be read: {error}")
            return
        self._broker.settle(delivery, messages)


def why_parked(judgement: Judgement, rule: Rule) -> str:
    if judgement.standing == "unknown" and not rule.retries_unknown:
        return f"parked: {DIED} (on_unknown: park); find out, then replay it or drop it"
    age, most = format_duration(round(judgement.key_age)), format_duration(rule.key_lifetime or 0.0)
    return (
        f"parked: its first attempt was {age} ago, and its id holds as idempotency key for {most} (key_lifetime);"
        " find out whether it has taken effect, then replay it or drop it"
    )


class Intending:
    """A handler factory whose handlers record that they begin before they do, one message at a time."""

    def __init__(self, factory: HandlerFactory, stage: Stage, ledger: Ledger) -> None:
        self._factory = factory
        self._rule = Rule(retries_unknown=False, key_lifetime=stage.key_lifetime, begins=True)
        self._ledger = ledger

    def build(self) -> Handler:
        return Intended(self._factory.build(), self._rule, self._ledger)


class Intended(Around):
    """One handler."""

    def __init__(self, handler: Handler, rule: Rule, ledger: Ledger) -> None:
        super().__init__(handler)
        self._rule = rule
        self._ledger = ledger

    def __call__(self, message: Message) -> object:
        judgement = self._judgement(message)
        if not self._rule.allows(judgement):
            raise Reject(why_parked(judgement, self._rule))
        return self._handler(message)

    def _judgement(self, message: Message) -> Judgement:
        """What is known of it; what the rule allows has begun. Raises Pause if it can't be handled now."""
        answered, found, reasons = threading.Event(), list[Judgement](), list[str]()

        def judged(judgements: Sequence[Judgement] | None, error: LedgerError | None) -> None:
            found.extend(judgements or ())
            reasons.extend([str(error)] if error else [])
            answered.set()

        key = HopKey(message.id, message.queue, via_of(message.headers))
        give_up = self._ledger.judge([key], self._rule, judged)
        if not answered.wait(ANSWER_TIMEOUT) or not found:
            give_up()
            reason = "; ".join(reasons) or self._ledger.away or f"it has not answered within {ANSWER_TIMEOUT:g} s"
            raise Pause(f"the ledger can't be used: {reason}", delay=PAUSE)
        if found[0].standing == "finished":  # by a worker that had lost it; the gate publishes its result
            raise Pause("it was handled while it waited, and comes again", delay=0.0)
        if found[0].standing == "held":
            raise Pause("another worker is at work on it", delay=HELD)
        return found[0]
