"""A file that holds one value, as Docker and Kubernetes mount their secrets → its text.

Which file a `${…}` means is worked out in `runner.config.yaml.variables`. No error says
anything of what is in the file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from runner.units import format_size

LARGEST = 64 << 10
"""Bytes."""


class SecretFileError(Exception):
    """The file gives no value. Its text says why and what to do, without the file's name."""


def read(path: Path) -> str:
    """The text of the file at `path`, without its final line break. Raises SecretFileError."""
    content = _content(path)
    if len(content) > LARGEST:
        raise SecretFileError(f"is larger than {format_size(LARGEST)}; name a file that holds the value alone")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise SecretFileError("isn't UTF-8 text; save the value as UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:  # a default in its place would be a guess: another broker, or no password
        raise SecretFileError("is empty; write the value into it")
    return text


def _content(path: Path) -> bytes:
    """As much of it as shows whether it is too large."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SecretFileError("is no regular file; name a file that holds the value")
            return file.read(LARGEST + 1)
    except OSError as error:
        reason = f"can't be read: {error.strerror}; name a file that the runner's user may read"
        raise SecretFileError(reason) from None
    except ValueError:  # a NUL in it, which no system takes
        raise SecretFileError("can't be the name of a file; name a file that holds the value") from None


def _without_waiting(path: str, flags: int) -> int:
    """A FIFO would hold up whoever opens it until somebody writes."""
    return os.open(path, flags | os.O_NONBLOCK)
