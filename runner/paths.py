"""Paths that a user names: whether such a file can exist, which one it is, and its content.

Left out: what the content means.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

from runner.units import format_size


class FileReadError(Exception):
    """The file can't be read. The text is a predicate for the user, without the file's name."""


def check_path(path: Path, kind: Literal["file", "folder"]) -> None:
    """Raises ValueError with a predicate for the user where `path` can't be that of a file (or a
    folder) to be made or used, whoever the user is."""
    try:
        found = path.stat().st_mode
    except (FileNotFoundError, PermissionError):  # a check by another user may not see what the runner's user may
        return
    except OSError as error:
        raise ValueError(f"names a path that can't be used: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise ValueError("names a path with a NUL in it, which no system takes") from None
    if kind == "folder" and not stat.S_ISDIR(found):
        raise ValueError(f"names {path}, which is no folder; write the path of one")
    if kind == "file" and stat.S_ISDIR(found):
        raise ValueError(f"names the folder {path}; write the path of a file")
    if kind == "file" and not stat.S_ISREG(found):
        raise ValueError(f"names {path}, which is not a regular file; write the path of one")


def read_file(path: Path, most: int) -> bytes:
    """The content of the regular file at `path`, `most` bytes of it at the most: opening a FIFO
    would wait until somebody writes to it, and `/dev/zero` never ends. Raises FileReadError."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileReadError("is not a regular file")
            content = file.read(most + 1)
    except OSError as error:
        raise FileReadError(f"can't be read: {error.strerror}") from None
    except ValueError:  # a NUL, or half a pair of surrogates, which no system takes
        raise FileReadError("can't be the name of a file") from None
    if len(content) > most:
        raise FileReadError(f"is larger than {format_size(most)}")
    return content


def identity(path: Path) -> tuple[int, int] | None:
    """What tells this file from another of the same name; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
