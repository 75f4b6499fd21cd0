"""How a command gets a broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.ports import free_port
from runner.commands import connecting
from runner.commands.connecting import connected
from runner.config.loader import load
from runner.errors import BrokerUnavailableError
from runner.message import Destination, Outgoing
from tests.commands.prompt import stored


def test_a_command_has_a_broker_with_the_queues_of_the_file(file: Path) -> None:
    with connected(load(file), "send") as broker:
        broker.publish([Outgoing(Destination("", "free"), "id-1", b"1")])
    assert stored(file, "free") == [1]


def test_a_command_that_fails_lets_its_broker_go(file: Path) -> None:
    with pytest.raises(ValueError, match="the command's own"), connected(load(file), "send") as broker:
        raise ValueError("the command's own")
    assert not broker.available


def test_a_broker_that_does_not_answer_ends_the_command(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "BROKER_TIMEOUT", 0.1)
    url = f"amqp://127.0.0.1:{free_port()}"
    file.write_text(file.read_text().replace(f"embedded:{file.parent}/broker.db", url))
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1"), connected(load(file), "send"):
        pass
