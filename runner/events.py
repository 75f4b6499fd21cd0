"""What happens, as observers see it: logs, metrics, traces and the like all attach here.

The intake, the workers, the brokers and the supervisor report to the `Events` of their
process; an `Observer` overrides the methods of the events that interest it.

    accepted, repeated, refused                  the intake, about a request
    published, confirmed                         a broker, about messages
    waiting, connected, disconnected             a broker, about itself
    blocked, unblocked, interrupted              a broker, about itself
    ledger_away, ledger_back, recorded           the ledger, about itself
    taken, handled, retried, dead                a worker, about deliveries
    held, unfinished                             a worker, about deliveries that stay where they are
    paused, resumed                              a worker, about a stage
    started, cannot_start, stopped, killed       the supervisor, about a child

An observer is called on the thread where the event happens, which may be the thread of the
broker's connection or of the intake. So it must return at once, take calls from several
threads, and change nothing that it is given. One that raises harms only itself.

Left out: what observers do with the events (see `runner.observability`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Concatenate, NamedTuple, ParamSpec

from runner.message import Delivery, Outgoing
from runner.wording import facts

log = logging.getLogger("runner.events")

P = ParamSpec("P")


class Failure(NamedTuple):
    """Why a delivery was not handled. Contains no card numbers."""

    reason: str
    """At most `LONGEST_ERROR` characters."""
    attempt: int
    """The number of the attempt that failed last, from 1."""
    attempts: int
    """How many are allowed."""
    traceback: str = ""
    """Of an error that isn't an order (`Retry`, `Reject`); empty otherwise."""
    error: str = ""
    """The name of the exception's class; empty if there was none."""
    seconds: float = 0.0
    """As for `handled`; 0.0 if no handler was called, or nothing observes `handled`."""


class Observer:
    """Watches events. Every method does nothing until it is overridden."""

    # -- the intake ---------------------------------------------------------------------

    def accepted(self, route: str, messages: Sequence[Outgoing], seconds: float) -> None:
        """A request to `route` (`POST /make-payment`) was answered 202: its `messages` are
        durable. It took `seconds`."""

    def repeated(self, route: str) -> None:
        """A request to `route` was answered again as the first one with its key was."""

    def refused(
        self, route: str, status: int, reason: str, seconds: float = 0.0, traceparent: str | None = None
    ) -> None:
        """A request was answered with a problem of this HTTP status. `route` is empty if
        nothing is served at its path and method; `reason` doesn't repeat what was sent. It took `seconds`; 0.0 if
        that isn't known, or nothing observes `accepted`. `traceparent` is that of its sender, where it travels."""

    # -- a broker -----------------------------------------------------------------------

    def published(self, messages: Sequence[Outgoing]) -> None:
        """These were sent to the broker, by the intake or as the result of a delivery. They are
        reported again if their channel was lost and they were sent again."""

    def confirmed(self, messages: Sequence[Outgoing]) -> None:
        """These are durable on their queues; they were reported as published before."""

    def waiting(self, broker: str, reason: str) -> None:
        """`broker` can't be reached, and is tried until it can be. Called again when the reason changes."""

    def connected(self, broker: str, again: bool) -> None:
        """`broker` (a node, a file) is available; `again`: it was before, too."""

    def disconnected(self, broker: str, reason: str, mends: bool) -> None:
        """`broker` isn't available, and is retried until it is. `mends` tells whether that
        will probably be enough, or a person should look: at a file, a disk, or what the broker
        refuses. Then it is called again while that lasts."""

    def blocked(self, broker: str, reason: str) -> None:
        """`broker` is connected but takes no messages: RabbitMQ has raised an alarm."""

    def unblocked(self, broker: str) -> None:
        """It takes messages again. If the connection is lost first, `disconnected` is called instead."""

    def interrupted(self, broker: str, reason: str) -> None:
        """It is still connected, but something of ours is gone there: a queue, a binding, a channel.
        All is declared again, and work goes on."""

    # -- the ledger ---------------------------------------------------------------------

    def ledger_away(self, reason: str) -> None:
        """The ledger can't be used, and is tried until it can be. Called once, and again when it
        had been back."""

    def ledger_back(self) -> None:
        """It can be used again."""

    def recorded(self, records: int, seconds: float) -> None:
        """So many records, or reads, have been one transaction, which took `seconds`."""

    # -- a worker -----------------------------------------------------------------------

    def taken(self, stage: str, deliveries: Sequence[Delivery]) -> None:
        """These are in hand, and wait for a slot of the stage. Each is reported next as handled,
        retried or dead, or not at all if it is given back or the connection is lost."""

    def handled(self, stage: str, delivery: Delivery, messages: Sequence[Outgoing], seconds: float) -> None:
        """The handler returned, and `messages` are about to be published. It took `seconds`,
        checks included. If the broker refuses them, the delivery is retried or dead after all."""

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:
        """It will be tried again, after `delay` seconds at the earliest."""

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        """It goes to the dead letters."""

    def held(self, stage: str, delivery: Delivery, reason: str, delay: float) -> None:
        """The broker took neither the result of it, nor a retry, nor the dead letter. It stays in
        hand, and is settled again in `delay` seconds; `held` is called again if that fails, too."""

    def unfinished(self, stage: str, deliveries: Sequence[Delivery]) -> None:
        """The process ends, while handlers are still at work on these: they are delivered again.
        Empty if handlers don't end, though they have nothing in hand."""

    def paused(self, stage: str, reason: str, delay: float) -> None:
        """The stage takes nothing in this process for `delay` seconds; `math.inf`: until somebody ends that."""

    def resumed(self, stage: str) -> None:
        """The pause of the stage is over."""

    # -- the supervisor -----------------------------------------------------------------

    def started(self, part: str, pid: int) -> None:
        """The child process of `part` (`intake`, `worker-2`) is up and working."""

    def cannot_start(self, part: str, reason: str) -> None:
        """The child process of `part` can't start, and a new one couldn't either. So the run has
        ended: this is reported last, when the other children have stopped."""

    def stopped(self, part: str, pid: int, status: int, was_up: bool, again: float | None) -> None:
        """A child process has ended, with an exit status or by the signal `-status`. It will be
        restarted in `again` seconds (None: not at all; 0: it asked to be replaced).
        `was_up`: it had started."""

    def killed(self, part: str, pid: int) -> None:
        """A child process didn't stop in time, or a second signal said not to wait. It is reported
        as stopped next; what it had in hand is delivered again."""


class Events:
    """The hub of one process. It has one attribute per event; call it to report the event.

    Report what happens to every message by `if (tell := events.taken) is not None: tell(…)`:
    the attribute is None when nothing observes the event, so that nothing is called, and
    nothing is collected for a call. Simply call the others.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._watch(tuple(observers))

    def add(self, observer: Observer) -> None:
        """`observer` observes as well, from now on. One thread at a time may add or remove."""
        self._watch((*self._observers, observer))

    def remove(self, observer: Observer) -> None:
        """It no longer observes; a call that has begun may still come."""
        self._watch(tuple(other for other in self._observers if other is not observer))

    def _watch(self, watching: tuple[Observer, ...]) -> None:
        self._observers = watching
        self.accepted = _often(Observer.accepted, watching)
        self.published = _often(Observer.published, watching)
        self.confirmed = _often(Observer.confirmed, watching)
        self.taken = _often(Observer.taken, watching)
        self.handled = _often(Observer.handled, watching)
        self.repeated = _seldom(Observer.repeated, watching)
        self.refused = _seldom(Observer.refused, watching)
        self.retried = _seldom(Observer.retried, watching)
        self.dead = _seldom(Observer.dead, watching)
        self.held = _seldom(Observer.held, watching)
        self.unfinished = _seldom(Observer.unfinished, watching)
        self.paused = _seldom(Observer.paused, watching)
        self.resumed = _seldom(Observer.resumed, watching)
        self.waiting = _seldom(Observer.waiting, watching)
        self.connected = _seldom(Observer.connected, watching)
        self.disconnected = _seldom(Observer.disconnected, watching)
        self.blocked = _seldom(Observer.blocked, watching)
        self.unblocked = _seldom(Observer.unblocked, watching)
        self.interrupted = _seldom(Observer.interrupted, watching)
        self.ledger_away = _seldom(Observer.ledger_away, watching)
        self.ledger_back = _seldom(Observer.ledger_back, watching)
        self.recorded = _seldom(Observer.recorded, watching)
        self.started = _seldom(Observer.started, watching)
        self.cannot_start = _seldom(Observer.cannot_start, watching)
        self.killed = _seldom(Observer.killed, watching)
        self.stopped = _seldom(Observer.stopped, watching)


def _often(event: Callable[Concatenate[Observer, P], None], observers: Sequence[Observer]) -> Callable[P, None] | None:
    """Calls those of `observers` that observe `event`; None: none does."""
    name = event.__name__
    told = [observer for observer in observers if getattr(type(observer), name) is not event]
    methods = [(observer, getattr(observer, name)) for observer in told]
    failed: set[Observer] = set()

    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        for observer, method in methods:
            try:
                method(*args, **kwargs)
            except (Exception, SystemExit):  # an observer must not harm a message or end a slot
                if observer not in failed:
                    failed.add(observer)
                    who = type(observer).__name__
                    what = "%s failed at '%s'; it is still called, but its further failures are not logged"
                    log.exception(what, who, name, extra=facts(observer=who, event=name))

    return tell if methods else None


def _seldom(event: Callable[Concatenate[Observer, P], None], observers: Sequence[Observer]) -> Callable[P, None]:
    """The same for an event that may be called whether or not it is observed."""
    return _often(event, observers) or _nobody


def _nobody(*_args: object, **_kwargs: object) -> None: ...


UNWATCHED = Events()
"""For parts that nothing observes."""
