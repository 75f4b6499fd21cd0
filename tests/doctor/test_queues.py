"""What is found of the queues: those that wait for nobody, dead letters, other arguments."""

from __future__ import annotations

from pathlib import Path

from runner.brokers.registry import connect
from runner.doctor.queues import queues
from runner.findings import Finding
from runner.topology import plan
from tests.brokers.plans import Collector, to
from tests.pipelines import loaded
from tests.waiting import wait_until

PIPELINE = """
name: t
broker: BROKER
queues: {a: {LENGTH}, b: {external: true}}
stages: {one: {consume: a, handler: "tests.commands.prompt:take"}}
"""


def text(broker: str = "BROKER", length: str = "") -> str:
    return PIPELINE.replace("BROKER", broker).replace("LENGTH", length)


def test_before_the_first_run_the_next_start_makes_them(tmp_path: Path) -> None:
    [found] = queues(loaded(tmp_path, text()))
    assert found == Finding("ok", "queues", "4 queues not there yet; the next start makes them")
    assert not (tmp_path / "broker.db").exists()


def test_dead_letters_and_messages_that_nobody_takes_are_told(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path, text())
    broker = connect(pipeline.pipeline, "test")
    broker.start(plan(pipeline.pipeline))
    assert [found.text for found in queues(pipeline)] == ["2 queues as the file has them"]
    broker.publish([to("a"), to("a"), to("a.dlq"), to("b")])
    assert list(queues(pipeline))[:-1] == [
        Finding("warning", "queues", "1 dead letter of a", "'runner dead list --queue a' says why"),
        Finding("warning", "queues", "2 messages on a, and no worker takes them", "'runner run' starts one"),
    ]
    broker.consume("a", 1, Collector())
    wait_until(lambda: len(list(queues(pipeline))) == 2)
    broker.close()


def test_other_arguments_are_a_fault(tmp_path: Path, vhost_url: str) -> None:
    before = loaded(tmp_path, text(vhost_url))
    broker = connect(before.pipeline, "test")
    broker.start(plan(before.pipeline), timeout=30)
    broker.close()
    changed = loaded(tmp_path, text(vhost_url, "max_length: 5"))
    [found] = queues(changed)
    assert found == Finding("fault", "queues", "queue a is not as the file has it", "'runner plan' says what to do")


def test_what_lies_under_a_former_name_is_a_fault(tmp_path: Path) -> None:
    before = loaded(tmp_path, text())
    broker = connect(before.pipeline, "test")
    broker.start(plan(before.pipeline))
    broker.publish([to("b")])
    broker.close()
    found = next(queues(loaded(tmp_path, text().replace("b: {", "c: {was: b, "))))
    told = "1 message on b, the former name of c"
    assert found == Finding("fault", "queues", told, "'runner plan' says what to do")


def test_a_broker_that_is_away_is_no_fault_of_the_queues(tmp_path: Path) -> None:
    [found] = queues(loaded(tmp_path, text("amqp://127.0.0.1:1")))
    assert found.level == "warning"
    assert found.text.startswith("can't be looked at: no broker answers")
