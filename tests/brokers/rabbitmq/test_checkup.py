"""Is RabbitMQ fit for a pipeline? Its version, its nodes, the user's rights, alarms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq import checkup
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.checkup import checked
from runner.findings import Finding, Level
from tests.brokers.plans import topology
from tests.waiting import wait_until

WELL = Finding("ok", "broker", "its user may make queues, publish to them and take from them")


def found(*urls: str) -> list[Finding]:
    return list(checked(urls, "test", topology()))


def test_a_broker_that_is_well_tells_its_version_and_nothing_stays_there(
    vhost_url: str, rabbit_node: RabbitNode, vhost: str
) -> None:
    version, rights = found(vhost_url)
    assert version.text.startswith("RabbitMQ ")
    assert rights == WELL
    wait_until(lambda: rabbit_node.api("GET", f"/queues/{vhost}") == [])  # RabbitMQ 4 deletes it a moment later


@pytest.mark.parametrize(
    ("version", "level", "remedy"),
    [
        ("3.9.29", "fault", "the runner needs RabbitMQ 3.10 or newer: update it"),
        ("3.13.7", "warning", "this series gets no more fixes: plan an update to 4.x"),
        ("4.2.1", "ok", ""),
        ("4.3.2", "warning", "its dead-lettering may get stuck after nodes have joined or left: update it to 4.3.3"),
        ("4.3.3", "ok", ""),
        ("4.4.0-rc.1", "ok", ""),
        ("", "ok", ""),
    ],
)
def test_versions(vhost_url: str, monkeypatch: pytest.MonkeyPatch, version: str, level: Level, remedy: str) -> None:
    monkeypatch.setattr(Link, "version", version)
    one = found(vhost_url)[0]
    assert one.level == level
    assert one.remedy.startswith(remedy)


def test_one_node_that_is_away_is_a_warning_and_all_of_them_a_fault(vhost_url: str) -> None:
    away = "amqp://me:secret@127.0.0.1:1"
    levels = [one.level for one in found(away, vhost_url)]
    assert levels[0] == "warning"
    assert "fault" not in levels
    [alone] = found(away)
    assert (alone.level, alone.text) == ("fault", "amqp://127.0.0.1:1: connection refused")
    assert [one.level for one in found(away, away)] == ["warning", "warning", "fault"]


def test_a_right_that_the_user_lacks_is_named(vhost_url: str, rabbit_node: RabbitNode, vhost: str) -> None:
    for right, what in (("configure", "make queues"), ("write", "publish"), ("read", "take messages")):
        rights = {"configure": ".*", "write": ".*", "read": ".*", right: "nothing"}
        rabbit_node.api("PUT", f"/permissions/{vhost}/guest", rights)
        lacking = found(vhost_url)[1]
        assert lacking.level == "fault"
        assert lacking.text.startswith(f"its user may not {what}: ")
        assert "set_permissions" in lacking.remedy


@pytest.fixture
def alarm(rabbit_node: RabbitNode) -> Iterator[None]:
    rabbit_node.eval("vm_memory_monitor:set_vm_memory_high_watermark(0.0000001)")
    yield
    rabbit_node.eval("vm_memory_monitor:set_vm_memory_high_watermark(0.4)")


@pytest.mark.usefixtures("alarm")
def test_an_alarm_is_told(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "PATIENCE", 1.0)
    told = found(vhost_url)[1]
    assert told.text == "it doesn't let us publish within 1 s"
    assert "list_alarms" in told.remedy
