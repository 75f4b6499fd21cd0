"""Files and folders for this user alone: other users of the machine may not read them.

Sets the mode of each file, rather than a umask, which would affect the files that a user's
handlers create.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Create `folder`, and missing folders above it, for this user alone (0700).

    An existing folder stays as it is: its owner may share it on purpose. Raises OSError.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path, flags: int = 0) -> int:
    """Open `path` to read and write; create it for this user alone (0600) if it is missing.

    Returns its descriptor, which child programs don't inherit. Raises OSError.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)


def close_to_others(path: Path) -> None:
    """Take access to `path` from everybody except its owner and its group, which the owner may
    have chosen. Does nothing if it is missing or belongs to another user."""
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o007:
            path.chmod(mode & 0o770)
