"""Times on the command line: a span before now, or a time of day, for every command alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from runner.commands.when import When


def test_a_span_is_so_long_ago() -> None:
    now = datetime.now(UTC)
    found = When().convert("1h30m", None, None)
    assert now <= found + timedelta(minutes=90, seconds=1)
    assert found + timedelta(minutes=90) <= datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00Z", "2026-01-31T12:00", "2026-01-31 12:00:00", "2026-01-31T13:00+01:00"]
)
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    assert When().convert(text, None, None) == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "", "1x", "-1h", "99999999d"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"neither a duration, such as 1h, nor a time"):
        When().convert(text, None, None)
