"""One stage on one message, without a broker: what a worker would make of it.

The handler is called as in a run, by the stage's own slot: what it sends is sent. Nothing is
published, and no ledger is asked. Values in, values out. Left out: how it is shown.
"""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from runner.brokers.base import Carrier, Consumer
from runner.config.loader import LoadedPipeline
from runner.errors import PublishError
from runner.events import Events, Failure, Observer
from runner.handlers.around import Around
from runner.handlers.factory import Handler, HandlerFactory
from runner.json_text import parse_json
from runner.message import NO_HEADERS, Delivery, Destination, Message, Outgoing, Receipt, Session, new_id
from runner.pipeline import Route, Stage
from runner.privacy.masking import mask
from runner.privacy.sealed import SIGN
from runner.routing import Considered, Refusal, Router
from runner.sensitive import Outward
from runner.topology import plan
from runner.worker.outcome import Decider
from runner.worker.stage import StageWorker

Fate = Literal["refused", "handled", "retry", "dead", "pause", "error"]
"""*refused*: the message could not stand on the stage's queue, and the handler was not called.
*error*: the handler raised what is no order; a run would try again."""
LOOK_EVERY = 0.05
"""Seconds between looks whether the handler has taken too long."""
_FRAME = re.compile(r'^  File "([^"\n]*)".*\n(?:    .*\n)*', re.MULTILINE)
_OURS = str(Path(__file__).parent) + "/"


@dataclass(frozen=True, slots=True)
class Product:
    """A message that would be published. Nothing in it shows what has to be masked."""

    id: str
    body: Any
    considered: tuple[Considered, ...]
    """Every route of the stage, in order."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it. Texts are masked."""

    id: str
    fate: Fate
    seconds: float = 0.0
    reason: str = ""
    delay: float = 0.0
    """Seconds that a retry would wait, or the stage would pause."""
    traceback: str = ""
    """Of an error: the lines of the handler, and of what it calls."""
    products: tuple[Product, ...] = ()
    receipt: Mapping[str, str] = dataclasses.field(default_factory=dict)


def try_stage(
    loaded: LoadedPipeline, stage: Stage, text: bytes, *, message_id: str = "", headers: Mapping[str, Any] = NO_HEADERS
) -> Trial:
    """Hand the JSON `text` to a handler of `stage`, as the message `message_id` (empty: a fresh one). A body that is
    sealed already stays as it is, and opens only under its own id. Returns when the handler has, or
    when it has taken longer than the stage's `timeout`.

    Raises KeysError, and StartError if the handler can't be entered.
    """
    message_id = message_id or new_id()
    topology = plan(loaded.pipeline)
    payload = text
    if SIGN not in text:
        entry = Router([Route((Destination("", stage.consume),))], topology, loaded.schemas, loaded.sealer)
        routed = entry.route_text(text, message_id, headers)
        if isinstance(routed, Refusal):
            return Trial(message_id, "refused", reason=mask(_worded(routed, stage.consume)))
        payload = routed[0].payload
    alone = dataclasses.replace(stage, concurrency=1, breaker=None, reconcile=())
    router = Router(stage.publish, topology, loaded.schemas, loaded.sealer)
    decider = _Holding(alone, loaded.schemas.get(stage.consume), router, loaded.sealer)
    watched, factory = _Watched(), _Keeping(loaded.handlers[stage.name])
    worker = StageWorker(alone, factory, decider, watched, Events([watched]), hung=lambda: None)
    worker.enter()
    delivery = Delivery(stage.consume, message_id, payload, headers, 1, Session(), 0)
    began = time.monotonic()
    worker.deliver([delivery])
    while not watched.settled.wait(LOOK_EVERY):
        worker.give_up_overdue()
    trial = watched.trial(message_id, time.monotonic() - began)
    worker.stop()
    worker.join(time.monotonic() + alone.concurrency)
    shown = _with_result(trial, factory.results[0], stage, router) if factory.results else trial
    decider.let_go_now(delivery)
    return shown


def _with_result(trial: Trial, result: Any, stage: Stage, router: Router) -> Trial:
    """With what its handler returned, masked."""
    if isinstance(result, Receipt) and not stage.publish:
        told = {mask(str(name)): mask(str(value)) for name, value in result.items()}
        return dataclasses.replace(trial, receipt=told)
    return dataclasses.replace(trial, products=tuple(_products(result, trial.id, router)) if stage.publish else ())


def _products(result: Any, id: str, router: Router) -> Iterable[Product]:
    is_list = isinstance(result, (list, tuple)) and not isinstance(result, Message)
    bodies = [(f"{id}.{n}", body) for n, body in enumerate(result, start=1)] if is_list else [(id, result)]
    for name, body in bodies:
        try:
            considered = router.consider(body, name)
            shown = Outward(body, router.marks, name)
            shown.show_masks()
            masked = parse_json(mask(orjson.dumps(shown.body).decode()).encode())
        except (TypeError, ValueError, RecursionError):  # no body at all, as the outcome says
            continue
        yield Product(name, masked, considered)


def _worded(refusal: Refusal, queue: str) -> str:
    if refusal.detail:
        return f"the body is not JSON: {refusal.detail}"
    return f"the body breaks the schema of {refusal.queue or queue}: {'; '.join(map(str, refusal.violations))}"


class _Holding(Decider):
    """Knows what a handler had open until its result is shown."""

    def let_go(self, delivery: Delivery) -> None: ...

    def let_go_now(self, delivery: Delivery) -> None:
        super().let_go(delivery)


class _Keeping:
    """Makes handlers that keep what they return: it may not be what can be published."""

    def __init__(self, factory: HandlerFactory) -> None:
        self._factory = factory
        self.results: list[Any] = []

    def build(self) -> Handler:
        return _Kept(self._factory.build(), self.results)


class _Kept(Around):
    """One handler, whose results are kept."""

    def __init__(self, handler: Handler, results: list[Any]) -> None:
        super().__init__(handler)
        self._results = results

    def __call__(self, message: Message) -> object:
        result = self._handler(message)
        self._results.append(result)
        return result


class _Watched(Carrier, Observer):
    """Stands for the broker, and notes what becomes of the one delivery."""

    def __init__(self) -> None:
        self.settled = threading.Event()
        self._fate: Fate = "handled"
        self._failure = Failure("", 1, 1)
        self._delay = 0.0
        self._seconds = 0.0

    def trial(self, id: str, seconds: float) -> Trial:
        failure = self._failure
        trace = _handlers_own(failure.traceback)
        return Trial(id, self._fate, self._seconds or failure.seconds or seconds, failure.reason, self._delay, trace)

    def handled(self, stage: str, delivery: Delivery, messages: Sequence[Outgoing], seconds: float) -> None:  # noqa: ARG002 - an observer's
        self._seconds = seconds

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:  # noqa: ARG002
        self._fate, self._failure, self._delay = "error" if failure.traceback else "retry", failure, delay

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:  # noqa: ARG002
        self._fate, self._failure = "error" if failure.traceback else "dead", failure

    def paused(self, stage: str, reason: str, delay: float) -> None:  # noqa: ARG002
        self._fate, self._failure, self._delay = "pause", Failure(mask(reason), 1, 1), delay

    def settle(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:  # noqa: ARG002 - a carrier's
        self.settled.set()

    def release(self, deliveries: Iterable[Delivery]) -> None:
        if list(deliveries):
            self.settled.set()

    def consume(self, queue: str, prefetch: int, consumer: Consumer) -> None: ...

    def cancel(self, queue: str, *, pausing: str = "") -> None: ...

    def consuming(self, queue: str) -> bool:  # noqa: ARG002
        return True

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None: ...


def _handlers_own(trace: str) -> str:
    """A traceback without the lines of the worker that called the handler."""
    return _FRAME.sub(lambda found: "" if found[1].startswith(_OURS) else found[0], trace)
