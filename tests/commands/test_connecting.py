"""How a command gets a broker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.ports import free_port
from runner.commands import connecting
from runner.commands.connecting import connected, remembering, writing
from runner.config.loader import load
from runner.errors import BrokerUnavailableError, RunnerError
from runner.ledger.ledger import Ledger
from runner.message import Destination, Outgoing
from runner.pipeline import Pipeline
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


@pytest.mark.parametrize("asking", [remembering, writing])
def test_a_ledger_that_does_not_answer_ends_the_command_and_is_named(
    file: Path, asking: Callable[[Pipeline], AbstractContextManager[Ledger]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "LEDGER_TIMEOUT", 0.1)
    pipeline = replace(load(file).pipeline, ledger=f"postgresql://me:secret@127.0.0.1:{free_port()}/there")
    with pytest.raises(RunnerError, match=r"the ledger is away \(postgresql://me:[*]+@127") as told, asking(pipeline):
        pass
    assert "secret" not in str(told.value)
