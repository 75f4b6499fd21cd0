"""How a time is given on the command line: as a span before now, or as a time of day."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from runner.units import parse_duration


class When(click.ParamType[datetime]):
    """A span before now, such as 1h, or a time in UTC, such as 2026-01-31T12:00Z."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromtimestamp(time.time() - parse_duration(value), UTC)
        except (ValueError, OverflowError, OSError):
            pass
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a duration, such as 1h, nor a time, such as 2026-01-31T12:00Z", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
