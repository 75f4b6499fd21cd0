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
from tests.http_client import Client
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
