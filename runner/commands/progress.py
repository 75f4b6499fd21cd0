"""How `runner send` shows its progress: a bar for a person at a terminal, bad lines always."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Self

from rich import progress as bars
from rich.console import Console

from runner.commands.documents import Line
from runner.privacy.masking import mask


class Progress:
    """A `send.Report` on stderr. `size` (bytes of the whole input; None: not known) sets the
    length of the bar."""

    def __init__(self, size: int | None) -> None:
        self.confirmed = 0
        self.rejected = 0
        self._last_line = 0
        # Into a log it must not wrap: there a bad line is one line.
        console = Console(stderr=True, soft_wrap=True)
        columns = (bars.BarColumn(), bars.TextColumn("{task.fields[sent]:,} confirmed"), bars.TimeElapsedColumn())
        self._bar = bars.Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())
        self._task = self._bar.add_task("", total=size, sent=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def bad(self, number: int, reason: str) -> None:
        self.rejected += 1
        self._bar.console.print(f"line {number}: {mask(reason)}", markup=False, highlight=False)

    def dealt_with(self, lines: Sequence[Line], confirmed: int) -> None:
        self.confirmed += confirmed
        self._last_line = lines[-1].number
        self._bar.update(self._task, advance=sum(len(line.text) for line in lines), sent=self.confirmed)

    def place(self) -> str:
        """How far it got, so that you can go on from there."""
        if not self._last_line:
            return "nothing was confirmed before that"
        return f"{self.confirmed:,} confirmed before that, up to line {self._last_line}"
