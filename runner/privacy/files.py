"""Files and folders for this user alone: they hold what others of the machine may not read.

The modes are given here, file by file, and not by a umask, which would reach the files
that a user's handlers make.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make `folder`, and those above it that are missing, for this user alone (0700).

    One that is there stays as it is: its owner may share it on purpose. Raises OSError.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path, flags: int = 0) -> int:
    """Open `path` to read and write, and make it for this user alone (0600) where it is missing.

    Returns its descriptor, which a program that is started doesn't get. Raises OSError.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)


def close_to_others(path: Path) -> None:
    """Take `path` from everybody but its owner and its group, which its owner may have chosen;
    nothing happens where it is missing, or another's."""
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o007:
            path.chmod(mode & 0o770)
