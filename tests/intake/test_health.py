"""Whether all is well, as a probe sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.brokers.base import Broker, Depth
from runner.config.loader import LoadedPipeline
from runner.intake.health import HealthViews, published_to
from runner.topology import plan
from runner.worker.worker import Worker
from tests.http_client import Client
from tests.intake.served import assert_problem
from tests.waiting import wait_until


def test_without_a_worker_the_intake_is_ready_and_the_pipeline_is_not(client: Client, broker: Broker) -> None:
    wait_until(lambda: broker.available)
    answer = client.get("/health/ready")
    assert (answer.status, answer.json) == (200, {"status": "accepting", "detail": "stage take has no worker"})
    assert client.get("/health/live").json == {"status": "live"}
    assert_problem(client.get("/health/pipeline"), 503, "stage take has no worker")


def test_without_a_queue_that_it_publishes_to_the_intake_is_not_ready(
    client: Client, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "depths", lambda *_: {"payments": Depth(), "audit": Depth()})
    wait_until(lambda: client.get("/health/ready").status == 503)
    assert_problem(client.get("/health/ready"), 503, "there is no queue urgent")


def test_a_broker_that_is_silent_is_noticed_and_holds_up_no_probe(
    client: Client, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks = threading.Event()
    monkeypatch.setattr(broker, "depths", lambda *_: speaks.wait() and {})
    try:
        with ThreadPoolExecutor(100) as pool:
            asked = [pool.submit(client.get, "/health/pipeline") for _ in range(100)]
            assert client.get("/health/live").status == 200
            assert_problem(asked[0].result(), 503, "the broker has not")
        wait_until(lambda: client.get("/health/ready").status == 503)
        assert_problem(client.get("/health/ready"), 503, "the broker has not answered for")
    finally:
        speaks.set()


@pytest.fixture
def running(pipeline: LoadedPipeline, broker: Broker) -> Iterator[HealthViews]:
    """Of a pipeline whose one stage has a worker."""
    broker.start(plan(pipeline.pipeline))
    worker = Worker(pipeline, broker)
    worker.start()
    wait_until(lambda: worker.ready)
    assert pipeline.pipeline.http is not None
    yield HealthViews(pipeline, broker, published_to(pipeline.pipeline.http))
    worker.stop(timeout=5)


def test_with_a_worker_for_every_stage_the_pipeline_is_ready(running: HealthViews) -> None:
    assert (running.pipeline().status_code, running.pipeline().json) == (200, {"status": "ready"})
    assert (running.ready().status_code, running.ready().json) == (200, {"status": "ready"})


@pytest.mark.usefixtures("running")
def test_the_first_answer_is_what_the_broker_says_now(pipeline: LoadedPipeline, broker: Broker) -> None:
    assert HealthViews(pipeline, broker, []).ready().json == {"status": "ready"}
    broker.cancel("payments", pausing="the bank is closed")
    wait_until(lambda: not broker.depths(["payments"])["payments"].consumers)
    assert "accepting" in HealthViews(pipeline, broker, []).ready().get_data(as_text=True)


def test_a_stage_that_is_paused_is_called_so(running: HealthViews, broker: Broker) -> None:
    broker.cancel("payments", pausing="the bank\nis closed")
    wait_until(lambda: "stage take is paused: the bank is closed" in running.pipeline().get_data(as_text=True))


def test_what_else_is_wrong_with_a_run_is_reported(
    running: HealthViews, pipeline: LoadedPipeline, broker: Broker
) -> None:
    answer = HealthViews(pipeline, broker, [], lambda: ["worker is not up"]).ready()
    assert answer.status_code == 503
    assert "worker is not up" in answer.get_data(as_text=True)


def test_a_queue_that_is_not_there_is_named(
    running: HealthViews, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "depths", lambda _: {})
    assert "there is no queue payments" in running.pipeline().get_data(as_text=True)
