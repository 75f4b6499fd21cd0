"""What happens, told to whoever watches: logs, metrics, traces and the like all hang here.

The intake, the workers, the brokers and the supervisor tell the `Events` of their process;
an `Observer` of it overrides the methods of the events that it wants to know.

    accepted, refused                            the intake, of a request
    published, confirmed                         a broker, of messages
    connected, disconnected, blocked, unblocked  a broker, of itself
    taken, handled, retried, dead                a worker, of deliveries
    paused, resumed                              a worker, of a stage
    started, stopped                             the supervisor, of a child

Each is told on the thread on which it happens, which may be the one that the broker's
connection or the intake lives on. So an observer returns at once, takes calls from several
threads, and changes nothing of what it is given. One that raises harms nobody but itself.

Left out: what observers make of it, which is `runner.observability`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Concatenate, NamedTuple, ParamSpec

from runner.message import Delivery, Outgoing

log = logging.getLogger("runner.events")

P = ParamSpec("P")


class Failure(NamedTuple):
    """Why a delivery was not handled. It holds no card numbers."""

    reason: str
    attempt: int
    """The number of the attempt that failed last, from 1."""
    attempts: int
    """How many are allowed."""
    traceback: str = ""
    """Of an error that was no order (`Retry`, `Reject`); else empty."""
    seconds: float = 0.0
    """As for `handled`; 0.0 where no handler was called, or nobody watches `handled`."""


class Observer:
    """Whoever watches. Every method does nothing until it is overridden."""

    # -- the intake ---------------------------------------------------------------------

    def accepted(self, route: str, messages: Sequence[Outgoing], seconds: float) -> None:
        """A request to `route` (`POST /make-payment`) is answered 202: its `messages` are
        durable. It took `seconds`."""

    def refused(self, route: str, status: int, reason: str) -> None:
        """A request is answered with a problem of this HTTP status. `route` is empty where
        nothing is served at its path and method; `reason` doesn't repeat what was sent."""

    # -- a broker -----------------------------------------------------------------------

    def published(self, messages: Sequence[Outgoing]) -> None:
        """These have been sent to the broker, by the intake or as what came of a delivery; once
        more where their channel was lost."""

    def confirmed(self, messages: Sequence[Outgoing]) -> None:
        """These are durable on their queues, and were told as published before."""

    def connected(self, broker: str, again: bool) -> None:
        """`broker` (a node, a file) can be used; `again`: it could be before."""

    def disconnected(self, broker: str, reason: str, mends: bool) -> None:
        """`broker` can't be used. It is tried again until it can; `mends` tells whether that
        is likely to be enough, or somebody should look."""

    def blocked(self, broker: str, reason: str) -> None:
        """`broker` is connected and takes no messages: an alarm of RabbitMQ."""

    def unblocked(self, broker: str) -> None:
        """It takes them again. Where the connection is lost before, `disconnected` is told instead."""

    # -- a worker -----------------------------------------------------------------------

    def taken(self, stage: str, deliveries: Sequence[Delivery]) -> None:
        """These are in hand, and wait for a slot of the stage. Each is next told of as handled,
        retried or dead; or not at all, where it is given back or the connection is lost."""

    def handled(self, stage: str, delivery: Delivery, messages: Sequence[Outgoing], seconds: float) -> None:
        """The handler has returned, and `messages` are to be published. Checks included, it
        took `seconds`. Where the broker refuses them, the delivery is retried or dead after all."""

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:
        """It is tried again, not before `delay` seconds are over."""

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        """It goes to the dead letters."""

    def paused(self, stage: str, reason: str, delay: float) -> None:
        """The stage takes nothing in this process for `delay` seconds."""

    def resumed(self, stage: str) -> None:
        """The pause of the stage is over."""

    # -- the supervisor -----------------------------------------------------------------

    def started(self, part: str, pid: int) -> None:
        """The child process of `part` (`intake`, `worker-2`) does what it is for now."""

    def stopped(self, part: str, pid: int, status: int, was_up: bool, again: float | None) -> None:
        """A child process has ended, with an exit status or by the signal `-status`. It is
        started again in `again` seconds (None: not at all). `was_up`: it had started."""


class Events:
    """The hub of one process. It has an attribute for each event, with which it is told.

    What happens to every message is told by `if (tell := events.taken) is not None: tell(…)`:
    where nobody watches it the attribute is None, so that nothing is called, and nothing
    collected to be told. The others may simply be called.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        watching = tuple(observers)
        self.accepted = _often(Observer.accepted, watching)
        self.published = _often(Observer.published, watching)
        self.confirmed = _often(Observer.confirmed, watching)
        self.taken = _often(Observer.taken, watching)
        self.handled = _often(Observer.handled, watching)
        self.refused = _seldom(Observer.refused, watching)
        self.retried = _seldom(Observer.retried, watching)
        self.dead = _seldom(Observer.dead, watching)
        self.paused = _seldom(Observer.paused, watching)
        self.resumed = _seldom(Observer.resumed, watching)
        self.connected = _seldom(Observer.connected, watching)
        self.disconnected = _seldom(Observer.disconnected, watching)
        self.blocked = _seldom(Observer.blocked, watching)
        self.unblocked = _seldom(Observer.unblocked, watching)
        self.started = _seldom(Observer.started, watching)
        self.stopped = _seldom(Observer.stopped, watching)


def _often(event: Callable[Concatenate[Observer, P], None], observers: Sequence[Observer]) -> Callable[P, None] | None:
    """What tells those of `observers` that watch `event`; None: nobody does."""
    name = event.__name__
    told = [observer for observer in observers if getattr(type(observer), name) is not event]
    methods = [(observer, getattr(observer, name)) for observer in told]
    failed: set[Observer] = set()

    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        for observer, method in methods:
            try:
                method(*args, **kwargs)
            except (Exception, SystemExit):  # whoever only watches harms no message, and ends no slot
                if observer not in failed:
                    failed.add(observer)
                    who = type(observer).__name__
                    log.exception("%s failed at '%s'; it is told of more, and fails unlogged from here on", who, name)

    return tell if methods else None


def _seldom(event: Callable[Concatenate[Observer, P], None], observers: Sequence[Observer]) -> Callable[P, None]:
    """The same for what may be called whether somebody watches or not."""
    return _often(event, observers) or _nobody


def _nobody(*_args: object, **_kwargs: object) -> None: ...


UNWATCHED = Events()
"""Told by parts that nobody watches."""
