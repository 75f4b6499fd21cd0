"""A handler's result or error → what becomes of the delivery. Decides only.

There is one way out of a worker: publish the result of a delivery, have it confirmed, and
only then ack the delivery.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import orjson

from runner.errors import ForeignSealError, KeysError, Pause, PublishError, Reject, Retry, UnknownKeyError, text
from runner.headers import Headers
from runner.json_text import parse_json
from runner.message import (
    ATTEMPT,
    ERROR,
    FIRST_ERROR,
    LATE,
    LONGEST_ERROR,
    LOOKS,
    NO_HEADERS,
    QUEUE,
    SEALED,
    STAGE,
    TIME,
    TRACEBACK,
    Delivery,
    Destination,
    Message,
    Outgoing,
    Receipt,
    number,
)
from runner.pipeline import Stage
from runner.privacy.masking import mask
from runner.privacy.revealed import OPEN
from runner.privacy.sealed import SIGN, read_token
from runner.privacy.sealing import Sealer
from runner.routing import Reason, Refusal, Router
from runner.sensitive import Inward, sealed_whole, without_forbidden
from runner.stamps import moved_on
from runner.topology import dead_letter_queue
from runner.traces import TRACEPARENT, child, read
from runner.units import format_duration
from runner.validation.schema import Schema
from runner.validation.violations import Violation
from runner.wording import encodable
from runner.worker import first_failure
from runner.worker.unsettled import Provisional, Unsettled

LONGEST_TRACEBACK = 8_000
"""Characters. AMQP headers have to fit into one frame (128 KiB by default)."""
PAUSE_WITHOUT_KEYS = 10.0
"""Seconds that a stage pauses whose keys can't be read."""
SHORTEST_SEARCHED = 6
"""Characters of a revealed value that a result is searched for: a shorter one may be in it by chance."""
SHORTEST_SPACED = 12
"""Letters and digits of one that it is also searched for whatever separates them: a date has eight."""
_SEPARATORS = bytes(code for code in range(128) if not chr(code).isalnum())


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
    error: str = ""
    """The name of the exception's class; empty if there was none."""


class Decider:
    """What becomes of one stage's deliveries; `schema` is that of the queue it consumes. `router`
    seals with `sealer`, too."""

    def __init__(self, stage: Stage, schema: Schema | None, router: Router, sealer: Sealer | None = None) -> None:
        self._stage = stage
        self._schema = schema
        self._router = router
        self._sealer = sealer
        self._marks = schema.marks if schema is not None else None
        self.publishes = bool(stage.publish)

    def message(self, delivery: Delivery) -> Message:
        """What the handler gets: the body, parsed and checked, since other programs may publish
        here, too. Raises Reject, and KeysError for a sealed body."""
        if delivery.unreadable:
            raise Reject(delivery.unreadable)
        if self._sealer is not None and (self._marks is not None or SIGN in delivery.payload):
            body = self._opened(delivery, self._sealer)
        else:
            try:
                body = orjson.loads(delivery.payload)
            except orjson.JSONDecodeError as error:
                raise Reject(f"the body is not JSON: {error}") from None
            if self._schema is not None and not self._schema.is_valid(body):
                raise Reject(f"the body breaks the schema of {delivery.queue}: {word(self._schema.violations(body))}")
        headers = Headers(first_failure.without(_on_this_hop(delivery))) if delivery.headers else NO_HEADERS
        return Message(delivery.id, body, delivery.queue, delivery.attempt, headers)

    def _opened(self, delivery: Delivery, sealer: Sealer) -> Any:
        """The body of a delivery that is sealed, as the handler gets it."""
        inward = self._at_rest(delivery)
        try:
            delivery.opened = opened = inward.open(delivery.id, self._stage.reveal, sealer)
        except ForeignSealError as error:
            raise Reject(str(error)) from None
        if opened:
            OPEN.add(opened)
        return inward.body

    def _at_rest(self, delivery: Delivery) -> Inward:
        """The body of a delivery. Raises Reject unless it is as its schema wants it, and everything
        that is sensitive is sealed."""
        try:
            body = parse_json(delivery.payload)
            inward = Inward(body, self._marks)
        except ValueError as error:
            raise Reject(f"the body is not JSON: {error}") from None
        except RecursionError:
            raise Reject("the body is nested too deeply") from None
        if isinstance(body, str) and read_token(body) is not None:
            raise Reject("the body is sealed as a whole, as that of a dead letter")
        violations: Sequence[Violation] = inward.faults
        if self._schema is not None and not violations and not self._schema.resting.is_valid(body):
            violations = self._schema.resting.violations(body)
        if violations:
            raise Reject(f"the body breaks the schema of {delivery.queue}: {word(violations)}")
        return inward

    def let_go(self, delivery: Delivery) -> None:
        """The handler has done with a delivery: what it had open is no longer searched for."""
        if delivery.opened:
            OPEN.drop(delivery.opened)
            delivery.opened = ()

    def done(self, delivery: Delivery, result: Any) -> Sequence[Outgoing]:
        """What is published after the handler returned `result`. Raises Reject if that can't be
        passed on."""
        if self._stage.reconcile and isinstance(result, Provisional):
            return [*self.done(delivery, result.result), self._looked_up_later(delivery)]
        if not self.publishes:
            if result is not None and isinstance(result, Receipt):
                delivery.receipt = _masked_receipt(result) if delivery.opened else result
            return ()
        if isinstance(result, (list, tuple)) and not isinstance(result, Message):
            numbered = enumerate(result, start=1)
            return [m for n, body in numbered for m in self._outgoing(f"{delivery.id}.{n}", delivery, body)]
        return self._outgoing(delivery.id, delivery, result)

    def failed(self, delivery: Delivery, error: BaseException) -> Outcome:
        """The handler raised `error`, or its result couldn't be passed on."""
        return self._failed(delivery, error)._replace(error=type(error).__name__)

    def _failed(self, delivery: Delivery, error: BaseException) -> Outcome:
        if isinstance(error, Pause):
            return Outcome(Fate.PAUSE, delivery.attempt, (), _reason(error.reason), error.delay)
        if isinstance(error, Reject):
            return self._dead(delivery, error.reason)
        if isinstance(error, Retry):
            failed = self._retry(delivery, error.reason, error.delay, at_least=error.at_least)
            return failed._replace(fault=Fault.PASSING)
        if isinstance(error, UnknownKeyError):
            return self._retry(delivery, str(error))
        if isinstance(error, Unsettled):
            return self._put_off(delivery, error.reason)
        if isinstance(error, KeysError):
            return _paused(delivery, error)
        trace = "".join(traceback.format_exception(error))
        failed = self._retry(delivery, f"{type(error).__name__}: {text(error)}", trace=trace)
        return failed._replace(fault=Fault.UNEXPECTED)

    def _put_off(self, delivery: Delivery, reason: str) -> Outcome:
        """Until the next look-up, with this attempt uncounted; after the last wait, for a person."""
        waits, looks = self._stage.reconcile, number(delivery.headers.get(LOOKS))
        if looks >= len(waits):
            delivery.headers = {**delivery.headers, LOOKS: len(waits) + 1}
            waited = f"it was looked up for the last time after {format_duration(sum(waits))}" if waits else "it waits"
            return self._dead(delivery, f"{reason}; {waited}: replay it to look it up again, or drop it")
        counted = {ATTEMPT: delivery.attempt - 1} if delivery.attempt > 1 else {}
        reason = _reason(f"{reason}; it is looked up then")
        kept = first_failure.failed(moved_on(delivery.headers, waits[looks]), self._stage.name, reason)
        headers = {**kept, **counted, LOOKS: looks + 1, ERROR: reason}
        home = Destination("", delivery.queue)
        message = Outgoing(home, delivery.id, delivery.payload, headers, delay=waits[looks], origin=delivery)
        return Outcome(Fate.RETRY, delivery.attempt, [message], reason, waits[looks])

    def _looked_up_later(self, delivery: Delivery) -> Outgoing:
        """The copy of a delivery whose result isn't the last word."""
        delay, home = self._stage.reconcile[0], Destination("", delivery.queue)
        headers = {**moved_on(delivery.headers, delay), LOOKS: 1}
        return Outgoing(home, delivery.id + LATE, delivery.payload, headers, delay=delay)

    def spared(self, delivery: Delivery, outcome: Outcome, pause: float) -> Outcome:
        """Instead of `outcome`: to the end of its queue, with this attempt uncounted. The stage
        pauses for `pause` seconds; the next message that it tries is another one, if there is one."""
        counted = {ATTEMPT: delivery.attempt - 1} if delivery.attempt > 1 else {}
        kept = first_failure.failed(moved_on(delivery.headers), self._stage.name, outcome.reason)
        headers = {**kept, **counted, ERROR: outcome.reason}
        message = Outgoing(Destination("", delivery.queue), delivery.id, delivery.payload, headers, origin=delivery)
        return outcome._replace(fate=Fate.RETRY, messages=[message], delay=pause)

    def overdue(self, delivery: Delivery, timeout: float, trace: str) -> Outcome:
        """The handler hasn't returned in `timeout` seconds, and `trace` shows where it is."""
        reason = f"the handler has not returned within {format_duration(timeout)}"
        if self._stage.reconcile and self._stage.on_unknown == "park":
            return self._put_off(delivery, f"{reason}, so that it may have taken effect")
        if self._stage.once and self._stage.on_unknown == "park":
            return self._dead(delivery, f"parked: {reason}, so that it may have taken effect", trace=trace)
        return self._retry(delivery, reason, trace=trace)._replace(fault=Fault.UNEXPECTED)

    def unpublishable(self, delivery: Delivery, error: PublishError) -> Outcome:
        """The broker refused the result of the delivery: a failure like any other."""
        failed = self._retry(delivery, f"the result could not be published: {error}")
        return failed._replace(error=type(error).__name__)

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
        headers = moved_on(_on_this_hop(delivery)) if delivery.headers else NO_HEADERS
        if FIRST_ERROR in headers:
            headers = first_failure.without(headers)
        try:
            if self._router.seals or delivery.opened is not None:
                routed = self._router.route_sealed(body, id, headers)
            else:
                text = orjson.dumps(body, default=_plain)
                routed = self._router.route(body, text, id, headers)
        except (TypeError, orjson.JSONEncodeError) as error:
            raise Reject(f"the handler returned what JSON can't hold: {error}") from None
        if isinstance(routed, Refusal):
            raise Reject(_refused(routed))
        if delivery.opened:
            _refuse_in_the_clear(delivery.opened, routed)
        return routed

    def _retry(
        self, delivery: Delivery, reason: str, delay: float | None = None, trace: str = "", *, at_least: float = 0.0
    ) -> Outcome:
        policy = self._stage.retry
        if delivery.attempt >= policy.attempts:
            return self._dead(delivery, reason, trace=trace)
        wait = policy.delay_after(delivery.attempt) if delay is None else max(delay, 0.001)
        wait = max(wait, at_least)
        reason = _reason(reason)
        kept = first_failure.failed(moved_on(delivery.headers, wait), self._stage.name, reason)
        headers = {**kept, ATTEMPT: delivery.attempt, ERROR: reason}
        home = Destination("", delivery.queue)
        message = Outgoing(home, delivery.id, delivery.payload, headers, delay=wait, origin=delivery)
        return Outcome(Fate.RETRY, delivery.attempt, [message], reason, wait, _shown(trace))

    def _dead(self, delivery: Delivery, reason: str, *, attempt: int | None = None, trace: str = "") -> Outcome:
        reason, trace = _reason(reason), _shown(trace)
        made = delivery.attempt if attempt is None else attempt
        headers: dict[str, Any] = {
            **first_failure.failed(delivery.headers, self._stage.name, reason),
            ATTEMPT: made,
            STAGE: self._stage.name,
            ERROR: reason,
            QUEUE: delivery.queue,
            TIME: first_failure.now(),
        }
        if trace:
            headers[TRACEBACK] = trace[-LONGEST_TRACEBACK:]
        try:
            payload, sealed = self._kept(delivery)
        except KeysError as error:
            return _paused(delivery, error)
        if sealed:
            headers[SEALED] = sealed
        home = Destination("", dead_letter_queue(delivery.queue))
        message = Outgoing(home, delivery.id, payload, headers, origin=delivery)
        return Outcome(Fate.DEAD, made, [message], reason, 0.0, trace)

    def _kept(self, delivery: Delivery) -> tuple[bytes, str]:
        """The body of a dead letter; and why it is sealed as a whole, if it is. Raises KeysError."""
        payload = delivery.payload
        if self._schema is None or self._schema.marks is None:
            return payload, ""
        if self._sealer is None:
            return without_forbidden(payload, self._schema.marks), ""
        why = self._unsealed(delivery)
        return (sealed_whole(payload, self._schema.marks, delivery.id, self._sealer) if why else payload), why

    def _unsealed(self, delivery: Delivery) -> str:
        """Why something in a body may be in the clear; empty: nothing is."""
        if read_token(delivery.payload.decode("utf-8", "replace").strip().strip('"')) is not None:
            return ""  # it was sealed as a whole before
        try:
            self._at_rest(delivery)
        except Reject as error:
            return _reason(error.reason)
        return ""


def _on_this_hop(delivery: Delivery) -> Mapping[str, Any]:
    """The headers of a delivery, with the span of this attempt instead of that of the hop before."""
    sent = delivery.headers
    if TRACEPARENT not in sent:
        return sent
    if not delivery.traceparent and (parent := read(sent[TRACEPARENT])) is not None:
        delivery.traceparent = str(child(parent))
    return {**sent, TRACEPARENT: delivery.traceparent} if delivery.traceparent else sent


def _paused(delivery: Delivery, error: KeysError) -> Outcome:
    """No message is to blame for keys that can't be read: none is lost, and none counts an attempt."""
    return Outcome(Fate.PAUSE, delivery.attempt, (), _reason(str(error)), PAUSE_WITHOUT_KEYS)


def _shown(text: str) -> str:
    """Without card numbers, payers' addresses, and characters that no encoding has."""
    return encodable(mask(text))


def _reason(text: str) -> str:
    """The same of why something failed, which headers, logs and the ledger hold: at most `LONGEST_ERROR` characters."""
    return _shown(text)[:LONGEST_ERROR]


def word(violations: Sequence[Violation]) -> str:
    """Violations in one line for a log or a dead letter."""
    return "; ".join(str(violation) for violation in violations[:5])


def _masked_receipt(receipt: Receipt) -> Receipt:
    """Without what its handler reveals: it is kept when that is no longer known."""

    def masked(value: object) -> object:
        text = str(value)
        return value if (shown := OPEN.hide(text)) == text else shown

    return Receipt({OPEN.hide(str(name)): masked(value) for name, value in receipt.items()})


def _refuse_in_the_clear(opened: Sequence[str], messages: Sequence[Outgoing]) -> None:
    """Raises Reject where a result repeats a revealed value that isn't sealed."""
    payload = messages[0].payload
    for value in opened:
        is_long = len(value) >= SHORTEST_SEARCHED
        if (is_long and orjson.dumps(str(value))[1:-1] in payload) or _holds_spaced(payload, value):
            raise Reject("the handler returned a value that it reveals in the clear, within another text")


def _holds_spaced(payload: bytes, value: str) -> bool:
    letters = (value if value.isalnum() else "".join(filter(str.isalnum, value))).lower()
    return len(letters) >= SHORTEST_SPACED and letters.encode() in payload.lower().translate(None, _SEPARATORS)


def _refused(refusal: Refusal) -> str:
    if refusal.reason is Reason.NO_ROUTE:
        return "no route of the stage matches the body that the handler returned"
    broken = f"the schema of {refusal.queue}" if refusal.queue else "a rule of sealed values"
    return f"the handler returned what breaks {broken}: {word(refusal.violations)}"


def _plain(value: object) -> object:
    """Mappings other than dict are passed on as mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__}")
