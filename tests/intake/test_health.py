"""Whether the pipeline is well, as a probe is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pytest

from runner.brokers.base import Broker, Depth
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerUnavailableError
from runner.intake import health
from runner.intake.health import Readiness
from runner.topology import plan
from runner.worker.worker import Worker
from tests.http_client import Client
from tests.intake.served import assert_problem
from tests.waiting import wait_until


def test_without_a_consumer_the_intake_is_alive_but_not_ready(client: Client) -> None:
    assert client.get("/health/live").json == {"status": "live"}
    assert_problem(client.get("/health/ready"), 503, "stage take has no consumer on payments")


@pytest.fixture
def running(pipeline: LoadedPipeline, broker: Broker) -> Iterator[Readiness]:
    """Of a pipeline whose one stage has a worker."""
    broker.start(plan(pipeline.pipeline))
    worker = Worker(pipeline, broker)
    worker.start()
    wait_until(lambda: worker.ready)
    yield Readiness(pipeline, broker)
    worker.stop(timeout=5)


def test_with_a_consumer_for_every_stage_it_is_ready(running: Readiness) -> None:
    assert (running.ready().status_code, running.ready().json) == (200, {"status": "ready"})


def test_probes_do_not_load_the_broker(running: Readiness, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    depths = broker.depths

    def counted(queues: Iterable[str]) -> Mapping[str, Depth]:
        asked.append(queues)
        return depths(queues)

    monkeypatch.setattr(broker, "depths", counted)
    monkeypatch.setattr(health, "READY_CACHE", 60.0)
    assert [running.ready().status_code for _ in range(50)] == [200] * 50
    assert len(asked) == 1


def test_a_broker_that_does_not_answer_is_told(
    running: Readiness, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: object) -> None:
        raise BrokerUnavailableError("no answer within 5 s")

    monkeypatch.setattr(broker, "depths", silent)
    answer = running.ready()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "the broker doesn't answer: no answer within 5 s" in answer.get_data(as_text=True)


def test_a_queue_that_is_not_there_is_named(
    running: Readiness, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "depths", lambda _: {})
    assert "there is no queue payments" in running.ready().get_data(as_text=True)
