"""An intake that tests ask by HTTP, as its users do, with a real broker behind it.

A test that uses it runs over both ways in: granian and its event loop, as `runner run` serves it,
and Werkzeug's server and Flask, as the engine does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.ledger.ledger import Ledger
from tests.http_client import Client
from tests.intake import remembering
from tests.intake.remembering import Clock, Held, Intake
from tests.intake.served import PIPELINE, SCHEMA, WAYS
from tests.pipelines import loaded


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    return loaded(tmp_path, PIPELINE, {"payment.json": SCHEMA})


@pytest.fixture
def broker(pipeline: LoadedPipeline) -> Iterator[Broker]:
    """Started by the way in that is taken."""
    broker = connect(pipeline.pipeline, "test")
    yield broker
    broker.close()


@pytest.fixture(params=list(WAYS))
def client(request: pytest.FixtureRequest, pipeline: LoadedPipeline, broker: Broker) -> Iterator[Client]:
    with WAYS[request.param](pipeline, broker) as client:
        yield client


@pytest.fixture
def confirm_timeout() -> str:
    """As long as a busy machine may take. A test in which it passes asks for a short one."""
    return "1m"


@pytest.fixture(params=list(WAYS))
def intake(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    ledger_url: str,
    confirm_timeout: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Intake]:
    """An intake that remembers."""
    monkeypatch.setattr("runner.ledger.writer.RETRY", 0.05)
    monkeypatch.setattr("runner.ledger.database.BUSY_TIMEOUT", 0.1)
    text = remembering.PIPELINE.replace("LEDGER", ledger_url).replace("CONFIRM_TIMEOUT", confirm_timeout)
    pipeline = loaded(tmp_path, text, {"payment.json": SCHEMA})
    broker = connect(pipeline.pipeline, "test")
    ledger = Ledger(ledger_url).open(timeout=30.0)
    with WAYS[request.param](pipeline, broker, ledger) as client:
        yield Intake(client, broker, ledger, pipeline, tmp_path)
    ledger.close()
    broker.close()


@pytest.fixture
def held(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Its broker, which confirms nothing."""
    return Held(intake.broker, monkeypatch)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)
