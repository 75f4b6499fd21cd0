"""Where a command prints its tables. rich is imported only for one: it takes 60 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_FOR_PROGRAMS = 200
"""Columns for a file or a pipe, which has no edge to wrap at."""


def console() -> Console:
    """Standard output, as wide as the terminal is."""
    from rich.console import Console

    found = Console()
    if not found.is_terminal:
        found.width = WIDTH_FOR_PROGRAMS
    return found
