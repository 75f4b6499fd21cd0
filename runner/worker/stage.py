"""Deliveries → handlers → outcomes → settle: one stage at work in one process.

It has `concurrency` slots, which are threads that call its handler. The broker's own thread
hands over deliveries and never waits for a slot, so a slow or stuck handler delays neither
another stage nor the broker connection. Left out: what becomes of a delivery (see `outcome`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from queue import Empty, SimpleQueue

from runner.brokers.base import Broker
from runner.errors import PublishError, StartError
from runner.events import UNWATCHED, Events, Failure
from runner.handlers.factory import HandlerFactory
from runner.message import Delivery, Message, Outgoing
from runner.pipeline import Stage
from runner.worker import prefetch
from runner.worker.outcome import Decider, Fate, Outcome

log = logging.getLogger("runner.worker")

STRANDED_DELAY = 1.0
"""Seconds until settling is retried after the broker took neither the result, nor the retry,
nor the dead letter. Until then the delivery stays in hand, unacked."""
LOG_STRANDED_EVERY = 30.0
"""Seconds."""


class StageWorker:
    """One stage: its slots, and the deliveries that wait for one. A `Consumer`."""

    def __init__(
        self, stage: Stage, factory: HandlerFactory, decider: Decider, broker: Broker, events: Events = UNWATCHED
    ) -> None:
        self._stage = stage
        self._factory = factory
        self._decider = decider
        self._broker = broker
        self._events = events
        self.waiting: SimpleQueue[Delivery | None] = SimpleQueue()
        """Deliveries that wait for a slot; None ends one."""
        self._slots = [
            threading.Thread(target=self._run_slot, name=f"{stage.name}-{number}", daemon=True)
            for number in range(1, stage.concurrency + 1)
        ]
        self._prefetch = stage.prefetch
        self._handled = 0
        """Messages since the last look; inexact when slots count at the same time."""
        self._entered: SimpleQueue[BaseException | None] = SimpleQueue()
        self._lock = threading.Lock()
        """Guards the three below."""
        self._stopping = False
        self._resume: threading.Timer | None = None
        self._stranded: list[tuple[Delivery, Sequence[Outgoing]]] = []
        self._stranded_logged = -LOG_STRANDED_EVERY
        self._warned = False

    @property
    def consuming(self) -> bool:
        return self._broker.consuming(self._stage.consume)

    @property
    def paused(self) -> bool:
        return self._resume is not None

    # -- life ---------------------------------------------------------------------------

    def enter(self) -> None:
        """Start the slots; each builds and enters its own handler, on its own thread."""
        for slot in self._slots:
            slot.start()
        errors = [error for _ in self._slots if (error := self._entered.get()) is not None]
        if errors:
            name, error = self._stage.name, errors[0]
            raise StartError(f"stage {name}: its handler can't start: {type(error).__name__}: {error}")

    def consume(self) -> None:
        self._broker.consume(self._stage.consume, self._prefetch, self)

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            if self._resume is not None:
                self._resume.cancel()
        self._broker.cancel(self._stage.consume)
        self._give_back_waiting()
        for _ in self._slots:
            self.waiting.put(None)

    def join(self, deadline: float) -> bool:
        for slot in self._slots:
            if slot.ident is not None:
                slot.join(max(0.0, deadline - time.monotonic()))
        busy = [slot.name for slot in self._slots if slot.is_alive()]
        if busy:
            log.warning("%s: still busy, its message will be delivered again: %s", self._stage.name, ", ".join(busy))
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
            put(delivery)

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        moved = [message for message, _ in error.refused if message.origin is delivery]
        if not moved:
            self._settle(delivery, self._decider.unpublishable(delivery, error))
            return
        # The retry or the dead letter itself was refused: nowhere to go for now.
        with self._lock:
            self._stranded.append((delivery, moved))
            if len(self._stranded) > 1:
                return
        now = time.monotonic()
        if now - self._stranded_logged > LOG_STRANDED_EVERY:
            self._stranded_logged = now
            log.error("%s: %s; held, and tried again every %g s", self._stage.name, error, STRANDED_DELAY)
        timer = threading.Timer(STRANDED_DELAY, self._settle_stranded)
        timer.daemon = True
        timer.start()

    def _settle_stranded(self) -> None:
        with self._lock:
            stranded, self._stranded = self._stranded, []
        for delivery, messages in stranded:
            self._broker.settle(delivery, messages)

    # -- on a slot's thread ---------------------------------------------------------------------

    def _run_slot(self) -> None:
        with ExitStack() as entered:
            try:
                handler = self._factory.build()
                if isinstance(handler, AbstractContextManager):
                    entered.enter_context(handler)
            except BaseException as error:  # noqa: BLE001 - reported to `enter`, whatever it is
                self._entered.put(error)
                return
            self._entered.put(None)
            for delivery in iter(self.waiting.get, None):
                if delivery.session.open:  # else the broker has given it to another worker
                    self.handle(handler, delivery)

    def handle(self, handler: Callable[[Message], object], delivery: Delivery) -> None:
        """Call `handler`, and settle the delivery with the result. Never raises an Exception."""
        tell = self._events.handled
        began = time.perf_counter() if tell is not None else 0.0
        try:
            done = self._decide(handler, delivery)
            seconds = time.perf_counter() - began if tell is not None else 0.0
            if isinstance(done, Outcome):
                self._settle(delivery, done, seconds)
            else:
                if tell is not None:
                    tell(self._stage.name, delivery, done, seconds)
                self._broker.settle(delivery, done)
        except Exception as error:  # a bug of ours must lose neither the slot nor the message
            log.exception("%s: internal error", self._stage.name)
            self._settle(delivery, self._decider.failed(delivery, error))
        self._handled += 1

    def _decide(self, handler: Callable[[Message], object], delivery: Delivery) -> Sequence[Outgoing] | Outcome:
        """The messages to publish, or what happened instead."""
        decider = self._decider
        try:
            if delivery.attempt > 1 and (exhausted := decider.exhausted(delivery)) is not None:
                return exhausted
            result = handler(decider.message(delivery))
            if result is not None and not decider.publishes:
                self._warn_of_unused_result()
            return decider.done(delivery, result)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: no handler may end its slot
            return decider.failed(delivery, error)

    def _settle(self, delivery: Delivery, outcome: Outcome, seconds: float = 0.0) -> None:
        if outcome.fate is Fate.PAUSE:
            self._pause(outcome)
            self._broker.release([delivery])
            return
        stage = self._stage
        failure = Failure(outcome.reason, outcome.attempt, stage.retry.attempts, outcome.trace, seconds)
        if outcome.fate is Fate.DEAD:
            self._events.dead(stage.name, delivery, failure)
        else:
            self._events.retried(stage.name, delivery, failure, outcome.delay)
        self._broker.settle(delivery, outcome.messages)

    def _warn_of_unused_result(self) -> None:
        if not self._warned:
            self._warned = True
            log.warning("%s: its handler returns a body, but the stage has no publish: not passed on", self._stage.name)

    # -- pacing and pausing ------------------------------------------------------------------------------

    def pace(self, seconds: float) -> None:
        """Adjust how many are taken in advance to how many were handled in the last `seconds`."""
        handled, self._handled = self._handled, 0
        fitting = prefetch.fitting(
            self._prefetch,
            most=self._stage.prefetch,
            least=min(self._stage.concurrency, self._stage.prefetch),
            waiting=self.waiting.qsize(),
            handled=handled,
            seconds=seconds,
        )
        if fitting == self._prefetch or self._stopping or self._resume is not None:
            return
        log.debug("%s takes %d in advance, instead of %d", self._stage.name, fitting, self._prefetch)
        self._prefetch = fitting
        self._broker.cancel(self._stage.consume)
        self._give_back_waiting()
        with self._lock:
            if not self._stopping and self._resume is None:
                self.consume()

    def _pause(self, outcome: Outcome) -> None:
        """Stop taking for a while. If several slots ask for it, the first decides."""
        with self._lock:
            if self._stopping or self._resume is not None:
                return
            self._resume = threading.Timer(outcome.delay, self._end_pause)
            self._resume.daemon = True
        self._events.paused(self._stage.name, outcome.reason, outcome.delay)
        self._broker.cancel(self._stage.consume, pausing=True)
        self._give_back_waiting()
        self._resume.start()

    def _end_pause(self) -> None:
        with self._lock:
            self._resume = None
            if self._stopping:
                return
        self._events.resumed(self._stage.name)
        self.consume()

    def _give_back_waiting(self) -> None:
        waiting: list[Delivery | None] = []
        with contextlib.suppress(Empty):
            while True:
                waiting.append(self.waiting.get_nowait())
        for end in (delivery for delivery in waiting if delivery is None):
            self.waiting.put(end)  # the stage is stopping meanwhile, and a slot waits for it
        self._broker.release([delivery for delivery in waiting if delivery is not None])
