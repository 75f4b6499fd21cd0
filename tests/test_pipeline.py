"""A pipeline as plain values: how they are shown, and that they can't change."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from runner.pipeline import Address, HttpRoute, Pipeline, Queue


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (Address("127.0.0.1", 5000), "127.0.0.1:5000"),
        (Address("rabbit", 0), "rabbit:0"),
        (Address("::1", 80), "[::1]:80"),
    ],
)
def test_an_address_is_shown_as_it_is_written(address: Address, shown: str) -> None:
    assert str(address) == shown


def test_a_route_is_shown_as_its_method_and_path() -> None:
    assert str(HttpRoute("POST", "/make-payment", ())) == "POST /make-payment"


def test_relative_paths_start_at_the_file() -> None:
    pipeline = Pipeline("payments", Path("/there/pipeline.yaml"), ("embedded:/b.db",), queues={}, stages={})
    assert pipeline.folder == Path("/there")


def test_nobody_changes_a_pipeline_that_was_checked() -> None:
    queue = Queue("payments")
    with pytest.raises(FrozenInstanceError):
        queue.delivery_limit = 5  # type: ignore[misc]
