"""Which processes a benchmark has running, by the folder that they work in."""

from __future__ import annotations

from pathlib import Path


def running_in(folder: Path) -> list[str]:
    """The command lines of the processes whose working folder lies below `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
