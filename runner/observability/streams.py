"""Standard streams that may be closed, full, or in an encoding that lacks a character.

Left out: what is written to them.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import Any, TextIO

PATIENCE = 1.0
"""Seconds that what is written waits for its reader."""
_PLAINLY = "plainly"
_PLAIN = str.maketrans("─│┌┐└┘├┤┬┴┼▶◀▼→×•–", "-|+++++++++><v>x*-") | {
    ord("…"): "~",  # one character, so that drawings stay aligned
    ord("≤"): "<=",
    ord("≥"): ">=",
}
"""The characters that we draw and write with, in ASCII."""


def prepare() -> None:
    """At the start of the process: open what is closed, and let every character be written.

    The next file opened would get a descriptor left free. That may be the broker's file, and
    a child program would then write its output into it. Writing to an output that was closed
    still fails, so that no command says that all is well and shows nothing.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if descriptor == 1 else os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - a descriptor, kept open
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 - as above
    codecs.register_error(_PLAINLY, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAINLY)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """For `codecs`: lines in ASCII, anything else as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    return plain.encode("ascii", "backslashreplace").decode(), error.end


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What is written inside may be lost: on a full disk, or to a reader that is gone."""
    with contextlib.suppress(OSError):
        yield


class _Patient(io.RawIOBase):
    """A descriptor without an end to its patience: where nobody reads, it waits for PATIENCE once, and
    then loses what it gets until somebody reads again."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._awaited = select.poll()
        self._awaited.register(descriptor, select.POLLOUT)
        self._is_losing = False

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Raises OSError. In portions that a pipe takes at once if it takes anything."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left and self._takes():
            left = left[os.write(self._descriptor, left[: select.PIPE_BUF]) :]
        return size

    def _takes(self) -> bool:
        self._is_losing = not self._awaited.poll(0 if self._is_losing else PATIENCE * 1000)
        return not self._is_losing


class _Unheard(io.TextIOWrapper):
    """Loses what can't be written."""

    def write(self, text: str, /) -> int:
        with unheard():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with unheard():
            super().flush()


def spare_closed() -> None:
    """For a program that outlives its reader: what is written to an output that was closed at the start,
    or whose reader goes or falls asleep later, is lost, and nobody's error: a handler may print."""
    try:
        os.write(1, b"")
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # The ones given are of no use any more.
    sys.stdout = sys.__stdout__ = _spared(sys.stdout)  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = _spared(sys.stderr)  # type: ignore[misc, assignment]


def _spared(given: TextIO) -> TextIO:
    if type(given) is not io.TextIOWrapper:  # where a test has put its own
        return given
    with unheard():
        given.flush()
    encoding, errors, by_line, at_once = given.encoding, given.errors, given.line_buffering, given.write_through
    raw = _Patient(given.fileno())
    buffer: Any = io.BufferedWriter(raw) if isinstance(given.detach(), io.BufferedWriter) else raw
    return _Unheard(buffer, encoding, errors, line_buffering=by_line, write_through=at_once)


def flush() -> None:
    """Write what is buffered, or lose it."""
    for stream in (sys.stdout, sys.stderr):
        with unheard():
            stream.flush()


def let_go() -> None:
    """At the end of the process: output that can't be written must not change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with unheard():
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
