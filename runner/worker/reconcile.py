"""Asks whoever a handler talks to what became of an attempt that is in doubt.

A handler may have the method `look_up(message)`, which returns what calling it would have returned,
without causing anything; None says for certain that nothing was caused. With `is_pending(result)`
it says that a result isn't the last word. A message whose attempt is unknown, or whose
idempotency key may be forgotten, is looked up instead of handled; a copy of one that is pending waits on its
own queue, and is looked up only. What waits lies on the broker, so that nothing has to be
polled, claimed or recovered.
"""

from __future__ import annotations

import logging

from runner.errors import LedgerError, Pause, Reject
from runner.handlers.factory import Handler, HandlerFactory
from runner.ledger.ledger import Ledger
from runner.ledger.once import Rule
from runner.message import LATE, LOOKS, Message, number
from runner.pipeline import Stage
from runner.wording import facts
from runner.worker.once import DIED, PAUSE, Intended
from runner.worker.unsettled import Provisional, Unsettled

log = logging.getLogger("runner.worker")

_ANY = Rule(retries_unknown=True, key_lifetime=None, begins=True)
"""Whatever is looked up is held by one worker."""


class Reconciling:
    """A handler factory whose handlers look up what is in doubt."""

    def __init__(self, factory: HandlerFactory, stage: Stage, ledger: Ledger) -> None:
        self._factory = factory
        self._stage = stage
        self._ledger = ledger

    def build(self) -> Handler:
        return _Reconciled(self._factory.build(), self._stage, self._ledger)


class _Reconciled(Intended):
    """One handler."""

    def __init__(self, handler: Handler, stage: Stage, ledger: Ledger) -> None:
        super().__init__(handler, _ANY, ledger)
        self._stage = stage
        self._parks = stage.on_unknown == "park"
        self._doubt = Rule(not self._parks, stage.key_lifetime, begins=False)
        self._look_up = handler.look_up  # type: ignore[attr-defined]  # the factory offers it
        self._is_pending = getattr(handler, "is_pending", None) if stage.reconcile else None

    def __call__(self, message: Message) -> object:
        looks = message.headers.get(LOOKS)
        if looks is None and not self._parks and not message.id.endswith(LATE):
            return self._result(self._handler(message))  # the gate has let it pass
        judgement = self._judgement(message)
        if message.id.endswith(LATE):
            return self._late_answer(message)
        expired = self._stage.key_lifetime is not None and judgement.key_age > self._stage.key_lifetime
        if not number(looks) and not expired:
            if self._doubt.allows(judgement):
                return self._result(self._handler(message))
            raise Unsettled(DIED)
        return self._looked_up(message, asked_again=number(looks) > len(self._stage.reconcile))

    def _looked_up(self, message: Message, *, asked_again: bool) -> object:
        """`asked_again`: a person has replayed it after the last wait."""
        result = self._asked(message)
        if result is not None:
            log.info(
                "%s: message %s was looked up, and its result is taken over",
                self._stage.name,
                message.id,
                extra=facts(stage=self._stage.name, id=message.id, outcome="looked up"),
            )
            return self._result(result)
        told = "it was looked up, and has surely not taken effect"
        if self._parks and not asked_again:
            raise Reject(f"parked: {told}; a replay handles it (on_unknown: park)")
        known = facts(stage=self._stage.name, id=message.id, reason=told)
        log.warning("%s: message %s is handled: %s", self._stage.name, message.id, told, extra=known)
        return self._result(self._handler(message))

    def _late_answer(self, message: Message) -> object:
        """Of a copy that waits for it. It is never handled."""
        original = message._replace(id=message.id.removesuffix(LATE))
        if self._has_come(original.id):
            return []
        result = self._asked(original)
        if result is None:
            raise Unsettled("it was pending, and the look-up knows nothing of it")
        if self._is_pending is not None and self._is_pending(result):
            raise Unsettled("it is still pending")
        if self._has_come(original.id):  # while that was asked, which may take a while
            return []
        known = facts(stage=self._stage.name, id=original.id, outcome="looked up")
        log.info("%s: the late answer to message %s was looked up", self._stage.name, original.id, extra=known)
        return result

    def _has_come(self, id: str) -> bool:
        """Whether the late answer has come by itself (`settles`), perhaps before the message was known to
        wait for it."""
        try:
            come = self._ledger.late_answer_came(id)
        except LedgerError as error:
            raise Pause(f"the ledger can't be used: {error}", delay=PAUSE) from error
        if come:
            known = facts(stage=self._stage.name, id=id)
            log.info("%s: the late answer to message %s has come already", self._stage.name, id, extra=known)
        return come

    def _asked(self, message: Message) -> object:
        """Without `reconcile` a failure is one like any other."""
        try:
            return self._look_up(message)
        except Reject:
            raise
        except Exception as error:
            if not self._stage.reconcile:
                raise
            reason = getattr(error, "reason", "") or f"{type(error).__name__}: {error}"
            raise Unsettled(f"what became of it could not be looked up: {reason}") from None

    def _result(self, result: object) -> object:
        if self._is_pending is not None and self._is_pending(result):
            return Provisional(result)
        return result
