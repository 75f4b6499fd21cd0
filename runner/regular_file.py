"""A regular file, read whole: at once, or not at all.

Opening a FIFO would wait until somebody writes to it, and `/dev/zero` never ends. Left
out: what is in the file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from runner.units import format_size


class FileReadError(Exception):
    """The file can't be read. Its text is a predicate for the user, without the file's name."""


def read_regular(path: Path, most: int) -> bytes:
    """The content of the file at `path`, `most` bytes of it at the most. Raises FileReadError."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileReadError("is no regular file")
            content = file.read(most + 1)
    except OSError as error:
        raise FileReadError(f"can't be read: {error.strerror}") from None
    except ValueError:  # a NUL, or half a pair of surrogates, which no system takes
        raise FileReadError("can't be the name of a file") from None
    if len(content) > most:
        raise FileReadError(f"is larger than {format_size(most)}")
    return content


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
