"""How a command prints: for people or programs, and its tables. rich is imported only for one: it takes 60 ms."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Column, Table

FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)

NARROW = 24
"""Columns in which a sentence can be read."""
WIDTH_FOR_PROGRAMS = 200
"""Columns for a file or a pipe, which has no edge to wrap at."""


def console() -> Console:
    """Standard output, as wide as the terminal is."""
    from rich.console import Console

    found = Console()
    if not found.is_terminal:
        found.width = WIDTH_FOR_PROGRAMS
    return found


def print_table(table: Table, wraps: Collection[str] = ()) -> None:
    """At a terminal that is too narrow for it, a line for each cell instead: nobody could copy an id that is broken
    up. The columns `wraps`, by their headings, are still readable where they are narrow."""
    out = console()
    gap = 3 if table.box else 2
    needed = sum(_width(column, narrow=column.header in wraps, out=out) + gap for column in table.columns) - gap
    if not out.is_terminal or needed <= out.width:
        for column in table.columns:
            column.no_wrap = out.is_terminal and column.header not in wraps
        out.print(table)
        return
    names = [str(column.header) for column in table.columns]
    for number, cells in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
        if number:
            out.print()
        for name, cell in zip(names, cells, strict=True):
            out.print(f"[bold]{name:<{max(map(len, names))}}[/]", cell, soft_wrap=True, highlight=False)


def _width(column: Column, *, narrow: bool, out: Console) -> int:
    """Characters that a column needs."""
    widest = max(out.measure(cell).maximum for cell in (column.header, *column.cells))
    return min(widest, NARROW) if narrow else widest
