"""A handler's result or error → what becomes of the delivery. Decides only.

There is one way out of a worker: publish the result of a delivery, have it confirmed, and
only then ack the delivery.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from runner.errors import Pause, PublishError, Reject, Retry, text
from runner.message import (
    ATTEMPT,
    ERROR,
    LONGEST_ERROR,
    NO_HEADERS,
    QUEUE,
    STAGE,
    TIME,
    TRACEBACK,
    Delivery,
    Destination,
    Message,
    Outgoing,
)
from runner.pipeline import Stage
from runner.privacy.masking import mask
from runner.routing import Reason, Refusal, Router
from runner.topology import dead_letter_queue
from runner.units import format_duration
from runner.validation.schema import Schema
from runner.validation.violations import Violation
from runner.wording import encodable

LONGEST_TRACEBACK = 8_000
"""Characters. AMQP headers have to fit into one frame (128 KiB by default)."""


class Fate(Enum):
    """What happens to a delivery that was not handled."""

    RETRY = "retry"
    DEAD = "dead"
    PAUSE = "pause"
    """It is given back, and the stage pauses."""


class Fault(Enum):
    """How a handler failed, as far as that tells of more than its message."""

    PASSING = "passing"
    """It raised Retry: what it needs doesn't work now."""
    UNEXPECTED = "unexpected"
    """It raised something else, or took too long."""


class Outcome(NamedTuple):
    """What is published for a delivery that was not handled, and why.

    `attempt` is the number of the attempt that failed last. `delay` (seconds) is how long a
    retry waits, or the stage pauses. `fault` is None where the handler has not failed: the
    message was rejected, or the broker refused its result.
    """

    fate: Fate
    attempt: int
    messages: Sequence[Outgoing] = ()
    reason: str = ""
    delay: float = 0.0
    trace: str = ""
    fault: Fault | None = None


class Decider:
    """What becomes of one stage's deliveries; `schema` is that of the queue it consumes."""

    def __init__(self, stage: Stage, schema: Schema | None, router: Router) -> None:
        self._stage = stage
        self._schema = schema
        self._router = router
        self.publishes = bool(stage.publish)

    def message(self, delivery: Delivery) -> Message:
        """What the handler gets: the body, parsed and checked, since other programs may publish
        here, too. Raises Reject."""
        if delivery.unreadable:
            raise Reject(delivery.unreadable)
        try:
            body = orjson.loads(delivery.payload)
        except orjson.JSONDecodeError as error:
            raise Reject(f"the body is not JSON: {error}") from None
        if self._schema is not None and not self._schema.is_valid(body):
            raise Reject(f"the body breaks the schema of {delivery.queue}: {word(self._schema.violations(body))}")
        headers = MappingProxyType(delivery.headers) if delivery.headers else NO_HEADERS
        return Message(delivery.id, body, delivery.queue, delivery.attempt, headers)

    def done(self, delivery: Delivery, result: Any) -> Sequence[Outgoing]:
        """What is published after the handler returned `result`. Raises Reject if that can't be
        passed on."""
        if not self.publishes:
            return ()
        if isinstance(result, (list, tuple)) and not isinstance(result, Message):
            numbered = enumerate(result, start=1)
            return [m for n, body in numbered for m in self._outgoing(f"{delivery.id}.{n}", delivery, body)]
        return self._outgoing(delivery.id, delivery, result)

    def failed(self, delivery: Delivery, error: BaseException) -> Outcome:
        """The handler raised `error`, or its result couldn't be passed on."""
        if isinstance(error, Pause):
            return Outcome(Fate.PAUSE, delivery.attempt, (), _shown(error.reason), error.delay)
        if isinstance(error, Reject):
            return self._dead(delivery, error.reason)
        if isinstance(error, Retry):
            return self._retry(delivery, error.reason, error.delay)._replace(fault=Fault.PASSING)
        trace = "".join(traceback.format_exception(error))
        failed = self._retry(delivery, f"{type(error).__name__}: {text(error)}", trace=trace)
        return failed._replace(fault=Fault.UNEXPECTED)

    def spared(self, delivery: Delivery, outcome: Outcome, pause: float) -> Outcome:
        """Instead of `outcome`: to the end of its queue, with this attempt uncounted. The stage
        pauses for `pause` seconds; the next message that it tries is another one, if there is one."""
        counted = {ATTEMPT: delivery.attempt - 1} if delivery.attempt > 1 else {}
        headers = {**delivery.headers, **counted, ERROR: outcome.reason[:LONGEST_ERROR]}
        message = Outgoing(Destination("", delivery.queue), delivery.id, delivery.payload, headers, origin=delivery)
        return outcome._replace(fate=Fate.RETRY, messages=[message], delay=pause)

    def overdue(self, delivery: Delivery, timeout: float, trace: str) -> Outcome:
        """The handler hasn't returned in `timeout` seconds, and `trace` shows where it is."""
        reason = f"the handler has not returned within {format_duration(timeout)}"
        if self._stage.once and self._stage.on_unknown == "park":
            return self._dead(delivery, f"parked: {reason}, so that it may have taken effect", trace=trace)
        return self._retry(delivery, reason, trace=trace)._replace(fault=Fault.UNEXPECTED)

    def unpublishable(self, delivery: Delivery, error: PublishError) -> Outcome:
        """The broker refused the result of the delivery: a failure like any other."""
        return self._retry(delivery, f"the result could not be published: {error}")

    def exhausted(self, delivery: Delivery) -> Outcome | None:
        """The dead letter for a delivery that has used up its attempts without a failure that
        said so: the worker died during the last one, or they were counted when more were
        allowed. None if it may be tried.

        A first death counts, but doesn't condemn the message: a neighbour may have caused it,
        before any handler saw this message.
        """
        attempts, made = self._stage.retry.attempts, delivery.attempt - 1
        if made < attempts or delivery.deaths == 1:
            return None
        reason = f"it has had {made} attempts, and {attempts} are allowed"
        if delivery.deaths:
            reason = "the last attempt didn't come to an end: the worker died with it"
        if delivery.error:
            reason = f"{reason}; before, it failed with: {delivery.error}"
        return self._dead(delivery, reason, attempt=made)

    def _outgoing(self, id: str, delivery: Delivery, body: Any) -> list[Outgoing]:
        if body is None:
            raise Reject("the handler returned None, but its stage publishes (a forgotten return?)")
        if isinstance(body, Message):
            raise Reject("the handler returned the message itself; return its body (message.body)")
        try:
            text = orjson.dumps(body, default=_plain)
        except (TypeError, orjson.JSONEncodeError) as error:
            raise Reject(f"the handler returned what JSON can't hold: {error}") from None
        routed = self._router.route(body, text, id, delivery.headers)
        if isinstance(routed, Refusal):
            raise Reject(_refused(routed))
        return routed

    def _retry(self, delivery: Delivery, reason: str, delay: float | None = None, trace: str = "") -> Outcome:
        policy = self._stage.retry
        if delivery.attempt >= policy.attempts:
            return self._dead(delivery, reason, trace=trace)
        wait = policy.delay_after(delivery.attempt) if delay is None else max(delay, 0.001)
        reason = _shown(reason)
        headers = {**delivery.headers, ATTEMPT: delivery.attempt, ERROR: reason[:LONGEST_ERROR]}
        home = Destination("", delivery.queue)
        message = Outgoing(home, delivery.id, delivery.payload, headers, delay=wait, origin=delivery)
        return Outcome(Fate.RETRY, delivery.attempt, [message], reason, wait, _shown(trace))

    def _dead(self, delivery: Delivery, reason: str, *, attempt: int | None = None, trace: str = "") -> Outcome:
        reason, trace = _shown(reason), _shown(trace)
        made = delivery.attempt if attempt is None else attempt
        headers: dict[str, Any] = {
            **delivery.headers,
            ATTEMPT: made,
            STAGE: self._stage.name,
            ERROR: reason[:LONGEST_ERROR],
            QUEUE: delivery.queue,
            TIME: datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if trace:
            headers[TRACEBACK] = trace[-LONGEST_TRACEBACK:]
        home = Destination("", dead_letter_queue(delivery.queue))
        message = Outgoing(home, delivery.id, delivery.payload, headers, origin=delivery)
        return Outcome(Fate.DEAD, made, [message], reason, 0.0, trace)


def _shown(text: str) -> str:
    """Without card numbers, payers' addresses, and characters that no encoding has."""
    return encodable(mask(text))


def word(violations: Sequence[Violation]) -> str:
    """Violations in one line for a log or a dead letter."""
    return "; ".join(str(violation) for violation in violations[:5])


def _refused(refusal: Refusal) -> str:
    if refusal.reason is Reason.NO_ROUTE:
        return "no route of the stage matches the body that the handler returned"
    return f"the handler returned what breaks the schema of {refusal.queue}: {word(refusal.violations)}"


def _plain(value: object) -> object:
    """Mappings other than dict are passed on as mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__}")
