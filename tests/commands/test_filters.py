"""The options that say which messages are meant."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from runner.commands.filters import check_scope, wanted
from runner.deadletters import Filter
from runner.ledger.hops import Records
from runner.ledger.ledger import Ledger
from tests.commands.test_recorded import PIPELINE
from tests.ledger.ledgers import record
from tests.pipelines import loaded

NOTHING = {"ids": (), "stage": None, "error": None, "since": None, "until": None, "recorded": None}


def test_without_options_all_are_meant(tmp_path: Path) -> None:
    assert wanted(loaded(tmp_path, PIPELINE, {}), NOTHING) == Filter()


def test_each_option_narrows_it(tmp_path: Path) -> None:
    day = datetime(2026, 1, 31, tzinfo=UTC)
    given = {"ids": ("m",), "stage": "take", "error": "refused", "since": day, "until": day, "recorded": None}
    assert wanted(loaded(tmp_path, PIPELINE, {}), given) == Filter(frozenset({"m"}), "take", "refused", day, day)


def test_a_recorded_fact_means_the_messages_that_have_it(tmp_path: Path) -> None:
    made = loaded(tmp_path, PIPELINE, {})
    assert made.pipeline.ledger is not None
    ledger = Ledger(made.pipeline.ledger).open(timeout=30)
    records = Records()
    records.recorded("m1", "order", '"taken"', 1.0)
    records.recorded("m2", "order", '"refused"', 1.0)
    record(ledger, records)
    ledger.close()
    assert wanted(made, {**NOTHING, "recorded": "order=taken"}).journeys == frozenset({"m1"})


def test_nobody_means_all_by_mistake() -> None:
    with pytest.raises(click.UsageError, match="--recorded or --all"):
        check_scope(False, (), NOTHING)
    check_scope(True, (), NOTHING)
    check_scope(False, ("orders",), NOTHING)
    check_scope(False, (), {**NOTHING, "ids": ("m",)})
