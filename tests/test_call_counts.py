"""What a message costs, in calls of functions: the same on every machine, however busy it is.

A fixed workload is driven by hand, on one thread, past the sockets and the wake-ups; the
calls of Python's functions and of C's are counted. Those of two sizes are subtracted, so
that what is done once doesn't count. A bound that is passed means that the hot path has
grown: shorten it again, or raise the bound and say what it is worth. One that is far away
no longer guards anything: lower it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator
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
from runner.brokers.rabbitmq.amqp.wire import Wire
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.consuming import Subscription
from runner.config.loader import LoadedPipeline
from runner.intake.rsgi import Application
from runner.message import Destination as At
from runner.message import Message, Outgoing
from runner.routing import Router
from runner.topology import plan
from runner.worker.outcome import Decider
from runner.worker.stage import StageWorker
from tests.pipelines import loaded

BOUNDS = {
    "a hop on RabbitMQ that passes on": 49,
    "a hop on RabbitMQ that ends the line": 27,
    "a hop on the embedded broker": 85,
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
BODY = b'{"user": "test-user@example.com", "card": "4111111111111111"}'
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
    """A stage, whose slots are the test's."""
    stage, schemas = pipeline.pipeline.stages[name], pipeline.schemas
    decider = Decider(stage, schemas[stage.consume], Router(stage.publish, plan(pipeline.pipeline), schemas))
    return StageWorker(stage, pipeline.handlers[name], decider, broker)


def handle_waiting(worker: StageWorker) -> None:
    """As a slot does."""
    handler = worker._factory.build()
    for _ in range(worker._waiting.qsize()):
        delivery = worker._waiting.get()
        assert delivery is not None
        worker._work(handler, delivery)


# -- RabbitMQ ----------------------------------------------------------------------------------


class DeadEnd(Wire):
    """A connection to nowhere, and pika's channel on it: what is written is only kept."""

    is_open = True

    def __init__(self, channel: int, soon: Callable[[Callable[[], None]], None]) -> None:
        self.channel_number = channel
        self.params = pika.ConnectionParameters()
        self.deliveries, self.acks = {}, {}
        self.bytes_sent = self.bytes_received = self._came = 0
        self.sent: list[bytes] = []
        self._templates, self._unwritten, self._unread = {}, [], b""
        self._soon, self._transport = soon, self

    def _send(self, data: bytes) -> None:
        self.sent.append(data)

    def ignore(self, *_: object, **__: object) -> None: ...

    basic_qos = basic_consume = add_on_return_callback = add_on_close_callback = confirm_delivery = ignore


def batch_on_the_wire(queue: str, number: int) -> tuple[bytes, bytes]:
    """What a node sends for batch `number`: the deliveries, and the confirm of what comes of them."""
    tags = range(number * BATCH + 1, (number + 1) * BATCH + 1)
    content = content_frames(1, 131_072, "0" * 32, {}, BODY, None)
    delivers = [pika.spec.Basic.Deliver("tag", tag, redelivered=False, exchange="", routing_key=queue) for tag in tags]
    confirm = Method(2, pika.spec.Basic.Ack(tags[-1], multiple=True)).marshal()
    return b"".join(Method(1, deliver).marshal() + content for deliver in delivers), confirm


@pytest.mark.parametrize("stage", ["one", "two"], ids=["that passes on", "that ends the line"])
def test_a_hop_on_rabbitmq(pipeline: LoadedPipeline, stage: str) -> None:
    calls = deque[Any]()
    broker = RabbitBroker(["amqp://guest:guest@localhost/"], "cost")
    broker._connection.call = lambda *call: calls.append(call)  # type: ignore[method-assign]
    consuming, publishing = (DeadEnd(number, broker._connection.call) for number in (1, 2))
    worker = stage_worker(pipeline, broker, stage)
    queue = pipeline.pipeline.stages[stage].consume
    planned = next(found for found in plan(pipeline.pipeline).queues if found.name == queue)
    subscription = Subscription(
        planned, "q", BATCH, worker, waits=True, move=broker._settling.move, later=broker._connection.call
    )
    broker._consumers.subscriptions[queue] = subscription
    subscription.attach(Channel(consuming, consuming))
    broker._settling.publisher.attach(Channel(publishing, publishing), publishing.ignore)
    consuming.acks = publishing.acks

    def drain() -> None:
        while calls:
            function, *arguments = calls.popleft()
            function(*arguments)

    sent = deque(batch_on_the_wire(queue, number) for number in range(16))

    def do(batches: int) -> None:
        for _ in range(batches):
            received, confirm = sent.popleft()
            consuming._on_data_available(received)
            drain()
            handle_waiting(worker)
            drain()
            if stage == "one":
                consuming._on_data_available(confirm)
                drain()

    counts = calls_for_each(do)
    check(f"a hop on RabbitMQ {'that passes on' if stage == 'one' else 'that ends the line'}", counts)
    assert len(consuming.sent) == 16, "an ack a batch"
    assert consuming.sent[-1] == ack_frame(1, 16 * BATCH, multiple=True)
    assert b"".join(publishing.sent).count(b"4111111111111111") == (16 * BATCH if stage == "one" else 0)


# -- the embedded broker ----------------------------------------------------------------------------


def test_a_hop_on_the_embedded_broker(pipeline: LoadedPipeline, tmp_path: Path) -> None:
    path, topology = tmp_path / "broker.db", plan(pipeline.pipeline)
    broker, service = EmbeddedBroker(path, "cost"), Service(path, "cost", topology)
    broker._service = service
    store = Store(path, Presence(tmp_path / "broker.db.run"), "cost")
    service._join(store)
    worker = stage_worker(pipeline, broker)
    broker.consume("work", BATCH, worker)
    done: list[object] = []

    def do(batches: int) -> None:
        for _ in range(batches):
            broker.submit([Outgoing(At("", "work"), f"{number:032}", BODY) for number in range(BATCH)], done.append)
            for _ in range(2):  # stored and taken; then passed on and acked
                service._turn(store, service.inbox.collect(), tick=False)
                handle_waiting(worker)

    calls = calls_for_each(do)
    store.close()
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
