"""A deed on many messages, shown as it goes: a bar at a terminal, refusals always, and a stop by Ctrl-C.

Left out: what is done to one (see `runner.operations`).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, Self

import click
from rich import progress as bars
from rich.console import Console

from runner.audit import who
from runner.brokers import exclusive
from runner.brokers.base import Shelf
from runner.deadletters import DeadLetter
from runner.errors import RunnerError
from runner.wording import counted

MOVING = Path("var") / "moving.lock"
MOST_REASONS = 10
"""Refusals that are explained one by one."""
SAME_ORDER = 0.5
"""Seconds within which a second signal only repeats the first: `timeout`, say, signals the process and its group."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def alone(folder: Path, command: str) -> AbstractContextManager[None]:
    """Meanwhile no other command moves messages of the pipeline in `folder`, or makes its queues anew. Raises
    BrokerSetupError, which says who does."""
    since = datetime.now().astimezone().isoformat(" ", timespec="seconds")
    return exclusive.alone(folder / MOVING, f"'runner {command}' of {who()} (process {os.getpid()}, since {since})")


def most(rate: float) -> int:
    """How large a pile may be, so that `rate` a second is true of each tenth of a second, too."""
    return max(1, int(rate / 10))


class Deeds:
    """What is done to dead letters, pile after pile: `verb` says it in the past. `whole` is how many are looked at;
    None: not known.

    Ctrl-C and SIGTERM end it after those in hand; a second Ctrl-C ends the program at once. Of that, and of an error
    in between, it tells how far it came, and `again`: how to go on, which may depend on how many were dealt with.
    """

    def __init__(
        self,
        verb: str,
        whole: int | None = None,
        *,
        unit: str = "dead letter",
        again: str | Callable[[int], str] = "the same command goes on with the others",
        bar: bool = True,
    ) -> None:
        self.done = self.stay = 0
        self._verb = verb
        self._unit = unit
        self._again = again
        self._in_hand = ""
        """The messages to which something is being done, in words: `m1 was`."""
        self._stop = threading.Event()
        self._stopped_at = 0.0
        """When it was stopped (monotonic)."""
        self._before: dict[int, Any] = {}
        console = Console(stderr=True, soft_wrap=True)
        columns = (bars.BarColumn(), bars.TextColumn("{task.fields[told]}"), bars.TimeElapsedColumn())
        self._bar = bars.Progress(*columns, console=console, transient=True, disable=not bar or not sys.stderr.isatty())
        self._task = self._bar.add_task("", total=whole, told="")

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def __enter__(self) -> Self:
        with suppress(ValueError):  # only the main thread hears signals
            self._before = {number: signal.signal(number, self._stopped_by) for number in _SIGNALS}
        self._bar.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        self._bar.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if not (self.done or self.stay or self._in_hand):
            return
        perhaps = f"; {self._in_hand} in hand, and may be done too" if self._in_hand else ""
        if isinstance(error, RunnerError):
            raise RunnerError(f"{error}; before that: {self.summary()}{perhaps}; {self.again}") from error
        if isinstance(error, KeyboardInterrupt):
            click.echo(f"interrupted: {self._counts()}{perhaps}; the others stay where they are", err=True)

    @property
    def again(self) -> str:
        """How to go on."""
        return self._again if isinstance(self._again, str) else self._again(self.done + self.stay)

    def looks_on(self) -> bool:
        """Another one is looked at. Whether to go on."""
        self._bar.update(self._task, advance=1, told=f"{self.done:,} done, {self.stay:,} stay")
        return not self.stopped

    def each(self, letters: Iterable[tuple[Shelf, DeadLetter]], one: Callable[[Shelf, DeadLetter], str]) -> None:
        """Do `one` to all of them. It returns why one stays; empty: it is done."""
        self.each_pile(((on, [letter]) for on, letter in letters), lambda on, pile: [one(on, pile[0])])

    def each_pile(
        self,
        piles: Iterable[tuple[Shelf, Sequence[DeadLetter]]],
        deed: Callable[[Shelf, Sequence[DeadLetter]], Sequence[str]],
        rate: float | None = None,
    ) -> None:
        """The same with `deed`, which is done to a pile, at most to `rate` of them a second (see `most`)."""
        for on, letters in piles:
            self._in_hand = f"{letters[0].id or 'one without an id'} was"
            if len(letters) > 1:
                self._in_hand = f"{len(letters):,} more were"
            ended, self._in_hand = deed(on, letters), ""
            for letter, stays in zip(letters, ended, strict=True):
                if stays:
                    self._stays(letter, stays)
            done = sum(not stays for stays in ended)
            self.done += done
            if rate is not None and done:
                self._stop.wait(done / rate)

    def _stays(self, letter: DeadLetter, why: str) -> None:
        self.stay += 1
        if self.stay <= MOST_REASONS:
            self._tell(f"{letter.queue}: {letter.id or '(no id)'} stays: {why}")

    def summary(self) -> str:
        """`replayed 3 dead letters; 1 stays where it is`."""
        return self._counts() + ("; stopped, and the others stay where they are" if self.stopped else "")

    def _counts(self) -> str:
        told = f"{self._verb} {counted(self.done, self._unit)}"
        if self.stay:
            would = self._verb.startswith("would ")
            stays = "would stay" if would else "stays" if self.stay == 1 else "stay"
            told += f"; {self.stay:,} {stays} where {'it is' if self.stay == 1 else 'they are'}"
        return told

    def exit(self) -> None:
        """With the status that tells whether all was done."""
        sys.exit(1 if self.stay or self.stopped else 0)

    def _tell(self, line: str) -> None:
        if self._bar.disable:
            click.echo(line, err=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False)

    def _stopped_by(self, number: int, _frame: FrameType | None) -> None:
        if not self.stopped:
            self._stop.set()
            self._stopped_at = time.monotonic()
        elif time.monotonic() - self._stopped_at > SAME_ORDER:
            signal.signal(number, self._before[number])
            signal.raise_signal(number)
