"""A question to all workers on RabbitMQ goes on after the connection was lost."""

from __future__ import annotations

from queue import SimpleQueue

from runner.brokers.rabbitmq.broker import RabbitBroker
from tests.brokers.plans import WORK, consume, topology
from tests.waiting import TIMEOUT


def test_it_is_asked_and_answered_again_on_the_next_connection(vhost_url: str) -> None:
    brokers = [RabbitBroker([vhost_url], name) for name in ("worker", "asker")]
    for broker in brokers:
        broker.start(topology(), timeout=TIMEOUT)
    worker, asker = brokers
    consume(worker, WORK)
    worker.listen(lambda question, _asker, answer: answer(question))
    heard: SimpleQueue[bytes] = SimpleQueue()
    stop = asker.poll(b"who?", heard.put)
    assert heard.get(timeout=TIMEOUT) == b"who?"
    for broker in brokers:
        broker._connection.call(broker._connection.restart, "a test")
    for broker in brokers:
        broker.publish([])
    while not heard.empty():
        heard.get_nowait()
    assert [heard.get(timeout=TIMEOUT) for _ in range(3)] == [b"who?"] * 3
    stop()
    for broker in brokers:
        broker.close()
