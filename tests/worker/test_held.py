"""A worker keeps stages paused that an operator has paused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.message import Destination, Outgoing
from runner.topology import plan
from runner.worker import held
from runner.worker.memory import memory_of
from runner.worker.worker import Worker
from tests.pipelines import loaded
from tests.waiting import wait_until
from tests.worker.handlers import Noting

PIPELINE = """
    broker: BROKER
    ledger: sqlite:ledger.db
    console: {listen: "127.0.0.1:0"}
    queues: {work: {}, other: {}}
    stages:
      one: {consume: work, handler: "tests.worker.handlers:Noting"}
      two: {consume: other, handler: "tests.worker.handlers:Noting"}
"""


class Running:
    """A worker of this process, its broker and its ledger."""

    def __init__(self, pipeline: LoadedPipeline) -> None:
        self.broker = connect(pipeline.pipeline, "test")
        memory = memory_of(pipeline.pipeline)
        assert memory is not None
        self.ledger = memory.ledger.open(timeout=30.0)
        self.broker.start(plan(pipeline.pipeline))
        self.worker = Worker(pipeline, self.broker, memory=memory)

    def publish(self, queue: str, id: str) -> None:
        self.broker.publish([Outgoing(Destination("", queue), id, b"{}")])

    def paused(self) -> Mapping[str, str]:
        """Queue → why nobody takes from it."""
        return {queue: depth.why for queue, depth in self.broker.depths(["work", "other"]).items() if depth.paused}

    def stop(self) -> None:
        self.worker.stop(30.0)
        self.ledger.close()
        self.broker.close()


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedPipeline:
    monkeypatch.setattr(held, "EVERY", 0.01)
    return loaded(tmp_path, PIPELINE)


@pytest.fixture
def running(pipeline: LoadedPipeline) -> Iterator[Running]:
    made = Running(pipeline)
    yield made
    made.stop()


def handled() -> set[str]:
    return {message.id for message in Noting.seen.messages}


def test_a_stage_takes_nothing_until_it_is_resumed_and_others_go_on(running: Running) -> None:
    running.worker.start()
    running.ledger.pauses.put("one", "the bank is down", "ada")
    wait_until(lambda: running.paused() == {"work": "by ada: the bank is down"})
    running.publish("work", "waits")
    running.publish("other", "passes")
    wait_until(lambda: handled() == {"passes"})
    running.ledger.pauses.remove("one")
    wait_until(lambda: handled() == {"passes", "waits"})
    assert running.paused() == {}


def test_a_worker_that_starts_is_paused_from_the_beginning(running: Running) -> None:
    running.ledger.pauses.put("one", "", "ada")
    running.publish("work", "waits")
    running.publish("other", "passes")
    running.worker.start()
    wait_until(lambda: handled() == {"passes"})
    wait_until(lambda: running.paused() == {"work": "by ada"})
    assert running.broker.depths(["work"])["work"].ready == 1
    running.ledger.pauses.remove("one")
    wait_until(lambda: handled() == {"passes", "waits"})


def test_a_stage_of_another_pipeline_is_of_no_concern(running: Running) -> None:
    running.worker.start()
    running.ledger.pauses.put("somebodys", "", "ada")
    running.publish("work", "passes")
    wait_until(lambda: handled() == {"passes"})
