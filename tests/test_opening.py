"""Opening what is sealed in a dead letter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.audit import Trail, read_trail
from runner.brokers.base import Shelved
from runner.config.loader import LoadedPipeline
from runner.deadletters import DeadLetter, read
from runner.errors import RunnerError
from runner.opening import reveal, sealed_fields
from runner.operations import router_to
from tests.pipelines import loaded_with_keys

PIPELINE = """
    broker: BROKER
    keys: file:keys
    queues: {orders: {schema: order.json}}
    stages: {one: {consume: orders, handler: "tests.config.handlers:take"}}
"""
CARD = {"type": "string", "x-sensitive": {"show": "last4"}}
SCHEMA = {"properties": {"card": CARD, "others": {"items": CARD}}}
BODY = {"card": "4111111111111111", "others": ["4000000000000002", "4000000000000127"], "n": 1}


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    return loaded_with_keys(tmp_path, PIPELINE, {"order.json": SCHEMA})


def dead(pipeline: LoadedPipeline) -> DeadLetter:
    messages = router_to(pipeline, "orders").route_text(json.dumps(BODY).encode(), "m1")
    assert isinstance(messages, list)
    return read("orders", Shelved("m1", messages[0].payload, {}, 0))


def test_a_field_is_opened_with_all_its_values_and_that_is_written_down(
    pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    letter, trail = dead(pipeline), Trail(tmp_path, "reveal", "a chargeback", by="eve")
    assert pipeline.sealer is not None
    assert sealed_fields(letter) == ["card", "others"]
    assert reveal(letter, "others", pipeline.sealer, trail) == BODY["others"]
    [deed] = read_trail(tmp_path, 9)
    assert (deed["who"], deed["id"], deed["field"], deed["reason"]) == ("eve", "m1", "others", "a chargeback")


def test_what_is_not_sealed_cannot_be_opened(pipeline: LoadedPipeline, tmp_path: Path) -> None:
    assert pipeline.sealer is not None
    with pytest.raises(RunnerError, match="no sealed field n"):
        reveal(dead(pipeline), "n", pipeline.sealer, Trail(tmp_path, "reveal", "x"))
    assert read_trail(tmp_path, 9) == []


@pytest.mark.parametrize("payload", [b"", b"{", b'{"card": 1}', b"[" * 100_000])
def test_what_is_no_json_has_no_sealed_field(payload: bytes) -> None:
    assert sealed_fields(read("orders", Shelved("m1", payload, {}, 0))) == []
