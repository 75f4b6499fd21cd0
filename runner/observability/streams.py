"""Standard streams that may be closed, full, or in an encoding that lacks a character.

Left out: what is written to them.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator

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
    """For a program that outlives its reader: what is written to an output that was closed at
    the start, or whose reader goes later, is lost, and nobody's error: a handler may print."""
    try:
        os.write(1, b"")
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if type(sys.stdout) is io.TextIOWrapper:  # not where a test has put its own
        given = sys.stdout
        encoding, errors, by_line = given.encoding, given.errors, given.line_buffering
        sys.stdout = _Unheard(given.detach(), encoding, errors, line_buffering=by_line)
        sys.__stdout__ = sys.stdout  # type: ignore[misc]  # the one given is of no use any more


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
