"""Looking at a run, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.alerts import conditions, watch
from runner.alerts.conditions import Notice
from runner.alerts.watch import Watch
from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.message import Destination, Outgoing
from runner.observability.snapshot import Now, Snapshot, StageNow, Told
from runner.pipeline import Alerts
from runner.topology import plan
from tests.pipelines import loaded
from tests.waiting import wait_until

PIPELINE = """
    name: shop
    broker: BROKER
    queues: {orders: {}}
    stages: {take: {consume: orders, handler: "tests.config.handlers:take"}}
"""


class Run:
    def __init__(self, pipeline: LoadedPipeline) -> None:
        self.broker: Broker = connect(pipeline.pipeline, "test")
        self.up = {"worker": True}
        self.snapshot = Snapshot()
        self.notices: list[Notice] = []
        alerts = Alerts(dead_letters=0, paused=0.0, not_ready=0.0)
        told = lambda: self.up, lambda: self.snapshot
        self.watch = Watch(pipeline.pipeline, alerts, self.broker, *told, self.notices.append)

    def told(self) -> list[tuple[str, bool]]:
        return [(notice.text, notice.firing) for notice in self.notices]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr(watch, "EVERY", 0.02)
    monkeypatch.setattr(conditions, "SETTLE", 0.2)
    pipeline = loaded(tmp_path, PIPELINE)
    run = Run(pipeline)
    run.broker.start(plan(pipeline.pipeline))
    yield run
    run.watch.stop()
    run.broker.close()


def test_dead_letters_are_seen_and_their_end(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.broker.publish([Outgoing(Destination("", "orders.dlq"), "m1", b"{}")])
    run.watch.start()
    wait_until(lambda: run.told() == [("orders has 1 dead letter", True)])
    assert "alert: orders has 1 dead letter" in caplog.text


def test_a_process_that_is_not_up_and_a_broker_that_is_away_are_troubles(run: Run) -> None:
    run.up["worker"] = False
    assert run.watch.look().troubles == ["worker is not up"]
    run.broker.close()
    look = run.watch.look()
    assert look.depths is None
    assert look.troubles == ["worker is not up", "the broker is away or takes no messages"]


def test_a_paused_stage_is_told_with_its_reason_and_its_end(run: Run) -> None:
    paused = Now({"take": StageNow(paused=1, why="no relay")})
    run.snapshot = Snapshot(1.0, {}, Told(now=paused))
    run.watch.start()
    wait_until(lambda: run.told() == [("take is paused: no relay", True)])
    run.snapshot = Snapshot(2.0)
    wait_until(lambda: run.told()[1:] == [("over: take is paused: no relay", False)])


def test_a_look_that_fails_is_not_the_last(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    look = run.watch.look
    failed: list[int] = []

    def failing() -> conditions.Look:
        if not failed:
            failed.append(1)
            raise ValueError("once")
        return look()

    monkeypatch.setattr(run.watch, "look", failing)
    run.broker.publish([Outgoing(Destination("", "orders.dlq"), "m1", b"{}")])
    run.watch.start()
    wait_until(lambda: run.notices)
    assert failed
