"""Standard streams that a program can live with: closed, full, or in an encoding that lacks a character.

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
    ord("…"): "~",  # one character, so that what is drawn stays in line
    ord("≤"): "<=",
    ord("≥"): ">=",
}
"""What is drawn and written with, as ASCII has it."""


def prepare() -> None:
    """Open what is closed, and let every character be written, at the start of the process.

    A number that is left free would be given to the next file that is opened: the broker's,
    into which a program below us would then write what it says.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - a descriptor, kept open
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 - as above
    codecs.register_error(_PLAINLY, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAINLY)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """For `codecs`: lines as ASCII draws them, anything else as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    return plain.encode("ascii", "backslashreplace").decode(), error.end


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What is said here may be lost: on a full disk, or to a reader that has gone."""
    with contextlib.suppress(OSError):
        yield


def flush() -> None:
    """Write what is buffered, or lose it."""
    for stream in (sys.stdout, sys.stderr):
        with unheard():
            stream.flush()


def let_go() -> None:
    """At the end of the process: what can't be written by now must not change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with unheard():
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
