"""What a run says when it starts before its renamed queues have been migrated."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.processes.former_queues import warn_of_former_queues
from runner.topology import plan
from tests.brokers.plans import Collector, to
from tests.pipelines import loaded
from tests.waiting import wait_until

FORMER = """
name: shop
broker: BROKER
queues: {former: {}}
stages: {one: {consume: former, handler: "tests.commands.prompt:take"}}
"""
NOW = FORMER.replace("{former: {}}", "{now: {was: former}}").replace("consume: former", "consume: now")


@pytest.fixture(params=["embedded", "rabbitmq"])
def former(request: pytest.FixtureRequest, tmp_path: Path) -> LoadedPipeline:
    url = f"embedded:{tmp_path / 'broker.db'}" if request.param == "embedded" else request.getfixturevalue("vhost_url")
    (tmp_path / "former").mkdir()
    return loaded(tmp_path / "former", FORMER.replace("BROKER", url))


def renamed(former: LoadedPipeline, tmp_path: Path) -> LoadedPipeline:
    return loaded(tmp_path, NOW.replace("BROKER", former.pipeline.broker[0]))


def test_what_lies_under_the_former_name_is_counted_and_the_way_out_is_named(
    former: LoadedPipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(connect(former.pipeline, "test")) as broker:
        broker.start(plan(former.pipeline), timeout=30)
        broker.publish([to("former", id="m1"), to("former", id="m2"), to("former.dlq", id="dead")])
    now = renamed(former, tmp_path)
    warn_of_former_queues(now.pipeline, "worker")
    assert (
        "queue now was former, where 3 messages still lie and no stage takes them: stop this run, then" in caplog.text
    )
    assert "'runner apply --migrate' brings over" in caplog.text
    caplog.clear()
    with closing(connect(former.pipeline, "test")) as broker:
        broker.start(plan(former.pipeline), timeout=30)
        broker.consume("former", 10, Collector())
        wait_until(lambda: broker.depths(["former"])["former"].in_hand == 2)
        warn_of_former_queues(now.pipeline, "worker")
    assert "where 1 message still lies and somebody consumes: stop" in caplog.text


def test_nothing_is_said_where_nothing_lies_there_or_nobody_can_tell(
    former: LoadedPipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = renamed(former, tmp_path)
    warn_of_former_queues(now.pipeline, "worker")
    warn_of_former_queues(former.pipeline, "worker")
    (tmp_path / "away").mkdir()
    away = loaded(tmp_path / "away", NOW.replace("BROKER", "amqp://127.0.0.1:1/"))
    warn_of_former_queues(away.pipeline, "worker")
    assert [record for record in caplog.records if record.name.startswith("runner")] == []
