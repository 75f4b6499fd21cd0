"""Deliveries → handlers → outcomes → settle: one stage at work in one process.

It has `concurrency` slots, which are threads that call its handler. The broker's own thread
hands over deliveries and never waits for a slot, so a slow or stuck handler delays neither
another stage nor the broker connection. A call that takes longer than the stage's `timeout`
has failed, and its late result is dropped. Left out: what becomes of a delivery (see `outcome`).
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from runner.brokers.base import Carrier, Consumer
from runner.errors import PublishError, Reject, StartError
from runner.events import UNWATCHED, Events, Failure
from runner.handlers.factory import Handler
from runner.message import Delivery, Message, Outgoing, Receipt
from runner.pipeline import Stage
from runner.timing import SLOT
from runner.wording import facts
from runner.worker.blackbox import BlackBox, mark
from runner.worker.breaker import CircuitBreaker
from runner.worker.isolation import Isolation
from runner.worker.outcome import Decider, Fate, Outcome
from runner.worker.overdue import Overdue
from runner.worker.prefetch import Pace
from runner.worker.stranded import STRANDED_DELAY, Stranded

if TYPE_CHECKING:
    from runner.observability.snapshot import StageNow

log = logging.getLogger("runner.worker")

LONGEST_PAUSE = 86_400.0
"""Seconds. One that is to last until somebody ends it is begun again then."""
JOIN_POLL = 0.1
"""Seconds between looks at whether a slot is still waited for."""


class Factory(Protocol):
    """Makes the handlers of a stage, one for each slot."""

    def build(self) -> Handler: ...


class StageWorker(Consumer):
    """One stage: its slots, and the deliveries that wait for one.

    Its slots are those of the process from `first_slot` on. `hung()` is called when a handler
    has hung, and the whole process is to be replaced; without it the handler's thread is.
    """

    def __init__(
        self,
        stage: Stage,
        factory: Factory,
        decider: Decider,
        broker: Carrier,
        events: Events = UNWATCHED,
        *,
        box: BlackBox | None = None,
        isolation: Isolation | None = None,
        first_slot: int = 0,
        hung: Callable[[], None] | None = None,
    ) -> None:
        self._stage, self._factory, self._decider = stage, factory, decider
        self._broker, self._events, self._hung = broker, events, hung
        self._stranded = Stranded(broker)
        self.waiting: SimpleQueue[Delivery | None] = SimpleQueue()
        """Deliveries that wait for a slot; None ends one."""
        self._box = box or BlackBox(1, stage.concurrency)
        self._begun = self._box.begun[first_slot : first_slot + stage.concurrency]
        self._slots: list[threading.Thread] = []
        self._isolation = isolation or Isolation()
        self._running = self._isolation.join()
        """What handlers are at work on, and in which slot. Whoever takes a delivery out settles it."""
        self._overdue = Overdue()
        self._pace = Pace(stage.prefetch, least=min(stage.concurrency, stage.prefetch))
        self._breaker = None if stage.breaker is None else CircuitBreaker(stage.breaker)
        self._switching = threading.Lock()
        """Held by whoever consumes again: two at once would consume twice."""
        self._lock = threading.Lock()
        """Guards the three below."""
        self._stopping = False
        self._abandoned: set[int] = set()
        """The slots whose handler hangs, and that no other thread has taken over."""
        self._resume: threading.Timer | None = None
        self._warned = False

    @property
    def name(self) -> str:
        return self._stage.name

    @property
    def consuming(self) -> bool:
        return self._broker.consuming(self._stage.consume)

    @property
    def paused(self) -> bool:
        return self._resume is not None

    @property
    def now(self) -> StageNow:
        """How it stands, as far as no event tells it."""
        from runner.observability.snapshot import StageNow  # which nobody asks for where nobody looks

        breaker = {} if self._breaker is None else {self._breaker.state: 1}
        return StageNow(self._stage.concurrency, len(self._running), breaker=breaker)

    # -- life ---------------------------------------------------------------------------

    def enter(self) -> None:
        """Start the slots; each builds and enters its own handler, on its own thread."""
        entered: SimpleQueue[BaseException | None] = SimpleQueue()
        self._slots = [self._slot(number, entered.put) for number in range(self._stage.concurrency)]
        for slot in self._slots:
            slot.start()
        errors = [error for _ in self._slots if (error := entered.get()) is not None]
        if errors:
            name, error = self._stage.name, errors[0]
            raise StartError(f"stage {name}: its handler can't start: {type(error).__name__}: {error}")

    def consume(self) -> None:
        self._broker.consume(self._stage.consume, 1 if self._probing else self._pace.prefetch, self)

    @property
    def busy(self) -> bool:
        """Whether a slot is at work, apart from those that hang, or will be."""
        return any(slot.is_alive() for number, slot in enumerate(self._slots) if number not in self._abandoned)

    def stop(self) -> None:
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            if self._resume is not None:
                self._resume.cancel()
        self._broker.cancel(self._stage.consume)
        self._give_back_waiting()
        for _ in self._slots:
            self.waiting.put(None)

    def join(self, deadline: float) -> bool:
        for number, slot in enumerate(self._slots):
            while slot.is_alive() and number not in self._abandoned and (left := deadline - time.monotonic()) > 0:
                slot.join(min(left, JOIN_POLL))
        busy = {n for n, slot in enumerate(self._slots) if slot.is_alive()} - self._abandoned
        if busy:
            in_hand = [delivery for delivery, number in self._running.copy().items() if number in busy]
            self._events.unfinished(self._stage.name, in_hand)
        return not busy

    # -- on the broker's thread -------------------------------------------------------------

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        if self._stopping or self._resume is not None:
            self._broker.release(deliveries)
            return
        if (tell := self._events.taken) is not None:
            tell(self._stage.name, deliveries)
        put = self.waiting.put
        for delivery in deliveries:
            if delivery.deaths:
                self._box.take_alone(mark(delivery.queue, delivery.id, delivery.attempt))
            put(delivery)

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        moved = [message for message, _ in error.refused if message.origin is delivery]
        if not moved:
            self._settle(delivery, self._decider.unpublishable(delivery, error))
            return
        # The retry or the dead letter itself was refused: nowhere to go for now.
        self._events.held(self._stage.name, delivery, str(error), STRANDED_DELAY)
        self._stranded.hold(delivery, moved)

    def refuse(self, delivery: Delivery, reason: str) -> None:
        """Move it to the dead letters, unhandled. From any thread."""
        self._settle(delivery, self._decider.failed(delivery, Reject(reason)))

    def taken_back(self) -> None:
        self._box.messages_come_back()

    def is_innocent(self, id: str, attempt: int) -> bool:
        return self._box.is_innocent(mark(self._stage.consume, id, attempt))

    def acquittals(self, id: str, attempts: range) -> int:
        return self._box.acquittals(mark(self._stage.consume, id, attempt) for attempt in attempts)

    # -- on a slot's thread ---------------------------------------------------------------------

    def _slot(self, number: int, entered: Callable[[BaseException | None], None]) -> threading.Thread:
        name = f"{self._stage.name}-{number + 1}"
        return threading.Thread(target=self._run_slot, args=(number, entered), name=name, daemon=True)

    def _run_slot(self, number: int, entered: Callable[[BaseException | None], None]) -> None:
        SLOT.stage = self._stage.name
        with ExitStack() as left:
            try:
                handler = self._factory.build()
                if isinstance(handler, AbstractContextManager):
                    left.enter_context(handler)
            except BaseException as error:  # noqa: BLE001 - reported to `enter`, whatever it is
                entered(error)
                return
            entered(None)
            for delivery in iter(self.waiting.get, None):
                if not delivery.session.open:
                    self._broker.release([delivery])  # the broker gives it to somebody else
                    continue
                handle = self._handle_suspect if delivery.deaths else self.handle
                if not handle(handler, delivery, number):
                    return

    def _handle_suspect(self, handler: Callable[[Message], object], delivery: Delivery, number: int) -> bool:
        """Its holder has died. Before that makes it a dead letter, it is tried with nobody beside it."""
        suspect = mark(delivery.queue, delivery.id, delivery.attempt)
        if delivery.attempt < self._stage.retry.attempts or self._exhausted(delivery) is not None:
            self._box.begin_alone(suspect)
            return self.handle(handler, delivery, number)
        with self._isolation.alone():
            self._box.begin_alone(suspect)
            going_on = self.handle(handler, delivery, number)
            self._begun[number] = 0  # it has killed nobody: what others do until it is acked isn't its fault
            self._box.take_alone(suspect)
            return going_on

    def _exhausted(self, delivery: Delivery) -> Outcome | None:
        """As the decider says, unless it was another one that killed last: this one was on its way
        to a worker of this run, and not begun. That is said for two deaths at most."""
        found = self._decider.exhausted(delivery)
        if found is None or delivery.deaths < 2 or delivery.attempt > self._stage.retry.attempts + 2:
            return found
        return None if self.is_innocent(delivery.id, delivery.attempt - 1) else found

    def handle(self, handler: Callable[[Message], object], delivery: Delivery, number: int) -> bool:
        """Call `handler` in the slot `number`, and settle the delivery with the result. Never
        raises an Exception. False: the call took too long, and the slot was given up with it."""
        self._running[delivery] = number
        if self._isolation.closed and not delivery.deaths:
            self._isolation.wait(self._running, delivery, number)
        self._begun[number] = hash((delivery.queue, delivery.id, delivery.attempt))  # its `mark`, without a call
        tell = self._events.handled
        began = time.perf_counter() if tell is not None else 0.0
        try:
            done = self._decide(handler, delivery)
            if self._running.pop(delivery, None) is None:
                name, known = self._stage.name, facts(stage=self._stage.name, id=delivery.id)
                log.warning(
                    "%s: the handler of message %s has ended after all: too late", name, delivery.id, extra=known
                )
                return False
            seconds = time.perf_counter() - began if tell is not None else 0.0
            if self._breaker is not None:
                done = self._minded(self._breaker, delivery, done)
            if isinstance(done, Outcome):
                self._settle(delivery, done, seconds)
            else:
                if tell is not None:
                    tell(self._stage.name, delivery, done, seconds)
                self._broker.settle(delivery, done)
        except Exception as error:  # a bug of ours must lose neither the slot nor the message
            log.exception("%s: internal error", self._stage.name, extra=facts(stage=self._stage.name, id=delivery.id))
            self._settle(delivery, self._decider.failed(delivery, error))
        self._pace.handled += 1
        return True

    def _decide(self, handler: Callable[[Message], object], delivery: Delivery) -> Sequence[Outgoing] | Outcome:
        """The messages to publish, or what happened instead."""
        decider = self._decider
        try:
            if delivery.attempt > 1 and (exhausted := self._exhausted(delivery)) is not None:
                return exhausted
            result = handler(decider.message(delivery))
            if result is not None and not decider.publishes and not isinstance(result, Receipt):
                self._warn_of_unused_result()
            return decider.done(delivery, result)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: no handler may end its slot
            return decider.failed(delivery, error)
        finally:
            if delivery.opened:
                decider.let_go(delivery)

    def _settle(self, delivery: Delivery, outcome: Outcome, seconds: float = 0.0) -> None:
        if outcome.fate is Fate.PAUSE:
            self.pause(outcome.reason, outcome.delay)
            self._broker.release([delivery])
            return
        stage = self._stage
        failure = Failure(outcome.reason, outcome.attempt, stage.retry.attempts, outcome.trace, outcome.error, seconds)
        if outcome.fate is Fate.DEAD:
            self._events.dead(stage.name, delivery, failure)
        else:
            self._events.retried(stage.name, delivery, failure, outcome.delay)
        self._broker.settle(delivery, outcome.messages)

    def _warn_of_unused_result(self) -> None:
        if not self._warned:
            self._warned = True
            what = "%s: its handler returns a body, but the stage has no publish: not passed on"
            log.warning(what, self._stage.name, extra=facts(stage=self._stage.name))

    # -- handlers that hang ---------------------------------------------------------------------

    def give_up_overdue(self) -> None:
        """Fail what a handler has been at work on for too long. To be called from time to time."""
        if self._stage.timeout is None:
            return
        for delivery in self._overdue.look(list(self._running), self._stage.timeout):
            if (number := self._running.pop(delivery, None)) is not None:  # else its slot has just done with it
                self._give_up(delivery, number, self._stage.timeout)

    def _give_up(self, delivery: Delivery, number: int, timeout: float) -> None:
        if delivery.session.open:  # else it has come again, and is counted then
            outcome = self._decider.overdue(delivery, timeout, _stack_of(self._slots[number]))
            if self._breaker is not None:
                self._minded(self._breaker, delivery, outcome)
            self._settle(delivery, outcome, timeout)
        if self._hung is not None:
            self._abandoned.add(number)
            self._hung()
            return
        self._slots[number] = self._slot(number, self._tell_replaced)
        self._slots[number].start()

    def _tell_replaced(self, error: BaseException | None) -> None:
        if error is not None:
            told = facts(stage=self._stage.name, error=type(error).__name__, reason=error)
            log.error("%s has a slot less: no handler can be made for it: %s", self._stage.name, error, extra=told)

    # -- pacing and pausing ------------------------------------------------------------------------------

    def pace(self, seconds: float) -> None:
        """Adjust how many are taken in advance to how many were handled in the last `seconds`."""
        fitting = self._pace.look(self.waiting.qsize(), seconds)
        if fitting == self._pace.prefetch or self._stopping or self._resume is not None or self._probing:
            return
        told = facts(stage=self._stage.name, prefetch=fitting)
        log.debug("%s takes %d in advance, instead of %d", self._stage.name, fitting, self._pace.prefetch, extra=told)
        self._pace.prefetch = fitting
        self._consume_anew()

    def _consume_anew(self) -> None:
        """Take as many in advance as is right now."""
        with self._switching:
            self._broker.cancel(self._stage.consume)
            self._give_back_waiting()
            with self._lock:
                if not self._stopping and self._resume is None:
                    self.consume()

    @property
    def _probing(self) -> bool:
        return self._breaker is not None and self._breaker.probing

    def _minded(
        self, breaker: CircuitBreaker, delivery: Delivery, done: Sequence[Outgoing] | Outcome
    ) -> Sequence[Outgoing] | Outcome:
        """`done`, after the circuit breaker has heard of it."""
        verdict = breaker.heard(done)
        if verdict.pause:
            self.pause(verdict.pause, breaker.pause)
        if verdict.go_on:
            self._consume_anew()
        if verdict.spare and isinstance(done, Outcome):
            return self._decider.spared(delivery, done, breaker.pause)
        return done

    def pause(self, reason: str, delay: float) -> bool:
        """Take nothing for `delay` seconds. False if the stage is paused already: whoever asked
        first has decided. From any thread."""
        timer = self._begin_pause(delay)
        if timer is not None:
            self._take_nothing(reason, delay)
            timer.start()
        return timer is not None

    def begin_paused(self, reason: str, delay: float) -> None:
        """Instead of `consume`. The broker knows it as paused only if it has consumed: what comes then
        is given back at once."""
        timer = self._begin_pause(delay)
        if timer is not None:
            self.consume()
            self._take_nothing(reason, delay)
            timer.start()

    def _begin_pause(self, delay: float) -> threading.Timer | None:
        """None: it is paused already, or stops."""
        with self._lock:
            if self._stopping or self._resume is not None:
                return None
            timer = self._resume = threading.Timer(min(delay, LONGEST_PAUSE), self.resume)
            timer.daemon = True
            return timer

    def _take_nothing(self, reason: str, delay: float) -> None:
        self._events.paused(self._stage.name, reason, delay)
        self._broker.cancel(self._stage.consume, pausing=reason or "it asked for that")
        self._give_back_waiting()

    def resume(self) -> None:
        """End the pause. From any thread."""
        with self._lock:
            timer, self._resume = self._resume, None
            if self._stopping or timer is None:
                return
        timer.cancel()
        self._events.resumed(self._stage.name)
        if self._breaker is not None:
            self._breaker.resumed()
        with self._switching:
            self.consume()

    def _give_back_waiting(self) -> None:
        waiting: list[Delivery | None] = []
        with contextlib.suppress(Empty):
            while True:
                waiting.append(self.waiting.get_nowait())
        for end in (delivery for delivery in waiting if delivery is None):
            self.waiting.put(end)  # the stage is stopping meanwhile, and a slot waits for it
        self._broker.release([delivery for delivery in waiting if delivery is not None])


def _stack_of(thread: threading.Thread) -> str:
    """Where a thread is, as a traceback would show it."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - documented, and the only way
    return "".join(traceback.format_stack(frame)) if frame is not None else ""
