"""What a message costs, in calls of functions: the same on every machine, however busy it is.

Each test drives a fixed workload by hand, on one thread, without sockets and wake-ups, and
counts the calls of Python's functions and of C's. It subtracts the counts of two sizes, so
that what is done once doesn't count. When a bound is exceeded, the hot path has grown:
shorten it again, or raise the bound and say what that is worth. A bound far above the count
no longer guards anything: lower it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika
import pytest
import uvloop
from pika.frame import Method

from runner.brokers.embedded.broker import EmbeddedBroker
from runner.brokers.embedded.presence import Presence
from runner.brokers.embedded.service import Service
from runner.brokers.embedded.store import Store
from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.frames import ack_frame, content_frames
from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.amqp.wire import Wire
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.connection import RobustConnection
from runner.config.loader import LoadedPipeline
from runner.events import Events
from runner.intake.rsgi import Application
from runner.message import Destination as At
from runner.message import Message, Outgoing
from runner.routing import Router
from runner.topology import Topology, plan
from runner.worker.outcome import Decider
from runner.worker.stage import StageWorker
from tests.pipelines import loaded

BOUNDS = {
    "a hop on RabbitMQ that passes on": 49,
    "a hop on RabbitMQ that ends the line": 28,  # one writes into the black box, one claims the result
    "a hop on the embedded broker": 87,  # as above
    "a request of the intake": 60,  # two of them look for names that stand twice
}
"""Calls for each message, in batches of 100; a hop is: taken, checked, handled, published,
confirmed, acked."""
SLACK = 0.7
"""A bound is lowered when less than this part of it is needed."""

PIPELINE = """
    name: cost
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      routes:
        POST /work: {publish: work}
    queues:
      work: {schema: payment.json}
      next: {schema: payment.json}
    stages:
      one: {consume: work, handler: "tests.test_call_counts:forward", prefetch: 100, publish: next}
      two: {consume: next, handler: "tests.test_call_counts:drop"}
"""
SCHEMA = {"type": "object", "required": ["card"], "properties": {"card": {"type": "string", "minLength": 12}}}
CARD = b"4111111111111111"
BODY = b'{"user": "test-user@example.com", "card": "%s"}' % CARD
BATCH = 100


def forward(message: Message) -> Any:
    return message.body


def drop(message: Message) -> None: ...


class Counter:
    calls = 0


@contextmanager
def counted() -> Iterator[Counter]:
    counter = Counter()

    def count(_frame: object, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            counter.calls += 1

    sys.setprofile(count)
    try:
        yield counter
    finally:
        sys.setprofile(None)


def calls_for_each(do: Callable[[int], None]) -> float:
    """`do(batches)`: the calls for one message of a batch."""
    do(2)  # whatever is only looked up once
    spent = []
    for batches in (2, 12):
        with counted() as counter:
            do(batches)
        spent.append(counter.calls)
    return (spent[1] - spent[0]) / (10 * BATCH)


def check(name: str, calls: float) -> None:
    bound = BOUNDS[name]
    assert calls <= bound, f"{name} takes {calls:.1f} calls, more than {bound}"
    assert calls >= bound * SLACK, f"{name} takes only {calls:.1f} calls: lower its bound from {bound}"


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    return loaded(tmp_path, PIPELINE, {"payment.json": SCHEMA})


def stage_worker(pipeline: LoadedPipeline, broker: Any, name: str = "one") -> StageWorker:
    """A stage without slots: the test handles what waits for one."""
    stage, schemas = pipeline.pipeline.stages[name], pipeline.schemas
    decider = Decider(stage, schemas[stage.consume], Router(stage.publish, plan(pipeline.pipeline), schemas))
    return StageWorker(stage, pipeline.handlers[name], decider, broker)


def handle_waiting(worker: StageWorker, handler: Callable[[Message], object]) -> None:
    """As a slot does."""
    for _ in range(worker.waiting.qsize()):
        delivery = worker.waiting.get()
        assert delivery is not None
        worker.handle(handler, delivery, 0)


# -- RabbitMQ ----------------------------------------------------------------------------------


class PikasChannel:
    """Stands for pika's: every queue is empty; whatever else it is asked for has no answer."""

    is_open = True

    def __init__(self, number: int) -> None:
        self.channel_number = number
        self._on_empty: Callable[[None], None] = lambda _frame: None

    def add_callback(self, callback: Callable[[None], None], *_: object, **__: object) -> None:
        self._on_empty = callback

    def basic_get(self, *_: object) -> None:
        self._on_empty(None)

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class FarEnd:
    """Stands for an open `Connection`: what is written on its channels is kept."""

    is_open = True

    def __init__(self, soon: Callable[[Callable[[], None]], None]) -> None:
        self.sent: list[bytes] = []
        self.wire = Wire(soon=soon, send=self.sent.append, other=lambda _frame: None)
        self._channels = 0

    def open_channel(self, opened: Callable[[Channel], None]) -> None:
        self._channels += 1
        opened(Channel(self.wire, PikasChannel(self._channels), 131_072))

    def on_blocked(self, *_: object) -> None: ...


class ByHand(RobustConnection):
    """Opens at once. What is called waits for `drain`; what is to come later never comes."""

    def __init__(self, nodes: Sequence[BrokerNode], name: str) -> None:
        super().__init__(nodes, name)
        self._waiting = deque[tuple[Callable[..., None], tuple[Any, ...]]]()
        self.far_end = FarEnd(self.call)

    @property
    def current(self) -> Any:
        return self.far_end

    def start(self, loop: object, *, opened: Callable[[Any], None], lost: object, refused: object) -> None:
        opened(self.far_end)

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        self._waiting.append((function, arguments))

    def later(self, delay: float, function: Callable[[], None]) -> None: ...

    def drain(self) -> None:
        while self._waiting:
            function, arguments = self._waiting.popleft()
            function(*arguments)


def batch_on_the_wire(channel: int, publishing: int, queue: str, number: int) -> tuple[bytes, bytes]:
    """What a node sends for batch `number`: the deliveries, and the confirm of what comes of them."""
    tags = range(number * BATCH + 1, (number + 1) * BATCH + 1)
    content = content_frames(channel, 131_072, "0" * 32, {}, BODY, None)
    delivers = [pika.spec.Basic.Deliver("tag", tag, redelivered=False, exchange="", routing_key=queue) for tag in tags]
    confirm = Method(publishing, pika.spec.Basic.Ack(tags[-1], multiple=True)).marshal()
    return b"".join(Method(channel, deliver).marshal() + content for deliver in delivers), confirm


@pytest.mark.parametrize("stage", ["one", "two"], ids=["that passes on", "that ends the line"])
def test_a_hop_on_rabbitmq(pipeline: LoadedPipeline, stage: str) -> None:
    made: list[ByHand] = []

    def connection(nodes: Sequence[BrokerNode], name: str) -> ByHand:
        made.append(ByHand(nodes, name))
        return made[0]

    broker = RabbitBroker(["amqp://localhost/"], "cost", connection=connection)
    [by_hand] = made
    broker.start(plan(pipeline.pipeline), declare=False)
    worker, handler = stage_worker(pipeline, broker, stage), pipeline.handlers[stage].build()
    queue = pipeline.pipeline.stages[stage].consume
    broker.consume(queue, BATCH, worker)
    by_hand.drain()
    wire, drain = by_hand.far_end.wire, by_hand.drain
    [consuming], [publishing] = wire.deliveries, wire.acks
    batches_sent = deque(batch_on_the_wire(consuming, publishing, queue, number) for number in range(16))

    def do(batches: int) -> None:
        for _ in range(batches):
            received, confirm = batches_sent.popleft()
            wire.read(received)
            drain()
            handle_waiting(worker, handler)
            drain()
            if stage == "one":
                wire.read(confirm)
                drain()

    counts = calls_for_each(do)
    check(f"a hop on RabbitMQ {'that passes on' if stage == 'one' else 'that ends the line'}", counts)
    publishes = [data for data in by_hand.far_end.sent if CARD in data]
    acks = [ack_frame(consuming, (number + 1) * BATCH, multiple=True) for number in range(16)]
    assert [data for data in by_hand.far_end.sent if data not in publishes] == acks, "an ack a batch"
    assert b"".join(publishes).count(CARD) == (16 * BATCH if stage == "one" else 0)


# -- the embedded broker ----------------------------------------------------------------------------


class OnThisThread(Service):
    """The broker without its thread: the test takes each turn."""

    def __init__(self, path: Path, name: str, topology: Topology, events: Events) -> None:
        super().__init__(path, name, topology, events)
        self.store = Store(path, Presence(path.with_name(path.name + ".run")), name)

    def start(self) -> None:
        self.join(self.store)

    def take_turn(self) -> None:
        self.turn(self.store, self.inbox.collect(), tick=False)

    def close(self, timeout: float) -> None:
        self.store.close()


def test_a_hop_on_the_embedded_broker(pipeline: LoadedPipeline, tmp_path: Path) -> None:
    made: list[OnThisThread] = []

    def service(path: Path, name: str, topology: Topology, events: Events) -> OnThisThread:
        made.append(OnThisThread(path, name, topology, events))
        return made[0]

    broker = EmbeddedBroker(tmp_path / "broker.db", "cost", service=service)
    broker.start(plan(pipeline.pipeline))
    [on_this_thread] = made
    worker, handler = stage_worker(pipeline, broker), pipeline.handlers["one"].build()
    broker.consume("work", BATCH, worker)
    done: list[object] = []

    def do(batches: int) -> None:
        for _ in range(batches):
            broker.submit([Outgoing(At("", "work"), f"{number:032}", BODY) for number in range(BATCH)], done.append)
            for _ in range(2):  # stored and taken; then passed on and acked
                on_this_thread.take_turn()
                handle_waiting(worker, handler)

    calls = calls_for_each(do)
    broker.close()
    check("a hop on the embedded broker", calls)
    assert done == [None] * len(done)


# -- the intake -----------------------------------------------------------------------------------------


class Request:
    """Stands for granian's scope and protocol."""

    method, path = "POST", "/work"
    headers = {"content-type": "application/json", "content-length": str(len(BODY))}  # noqa: RUF012 - never changed
    answers: list[int]

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers

    async def __call__(self) -> bytes:
        return BODY

    def response_bytes(self, status: int, _headers: object, _body: bytes) -> None:
        self.answers.append(status)


class Confirming:
    """Stands for a broker: confirms at once."""

    def submit(self, messages: object, done: Callable[[None], None]) -> Callable[[], None]:
        done(None)
        return _nothing


def _nothing() -> None: ...


def test_a_request_of_the_intake(pipeline: LoadedPipeline) -> None:
    loop = uvloop.new_event_loop()
    application = Application(pipeline, Confirming())  # type: ignore[arg-type]
    application.__rsgi_init__(loop)
    answers: list[int] = []

    async def ask(batches: int) -> None:
        for _ in range(batches):
            requests = [Request(answers) for _ in range(BATCH)]
            await asyncio.gather(*(application.__rsgi__(request, request) for request in requests))  # type: ignore[arg-type]

    calls = calls_for_each(lambda batches: loop.run_until_complete(ask(batches)))
    loop.close()
    check("a request of the intake", calls)
    assert set(answers) == {202}
