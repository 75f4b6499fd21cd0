"""Whether something that a pipeline may be made of has changed: its file, or one beside or below it.

It looks at YAML, JSON and Python files. Left out are folders that hold something else: hidden ones,
`var`, virtual environments, installed packages.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

LOOK_EVERY = 1.0
"""Seconds between two looks."""
_ENDINGS = (".json", ".py", ".yaml", ".yml")
_OTHERS = {"__pycache__", "build", "dist", "node_modules", "site-packages", "var"}


class Watch:
    """What has changed is due when it has stayed the same between two looks: an editor writes a file in
    several steps, and a person several files."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = self._seen = self._look()
        self._again = time.monotonic() + LOOK_EVERY

    def due(self) -> bool:
        """True once for each change."""
        if time.monotonic() < self._again:
            return False
        before, self._seen = self._seen, self._look()
        self._again = time.monotonic() + LOOK_EVERY
        if self._seen == self._known or self._seen != before:
            return False
        self._known = self._seen
        return True

    def _look(self) -> Mapping[str, tuple[int, int]]:
        found = {}
        for path in (str(self._file), *_files(self._file.parent)):
            with suppress(OSError):
                there = Path(path).stat()
                found[path] = there.st_mtime_ns, there.st_size
        return found


def _files(top: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(top):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _OTHERS]
        yield from (os.path.join(folder, name) for name in files if name.endswith(_ENDINGS))  # noqa: PTH118 - of many files
