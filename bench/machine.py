"""What the figures were measured on: they hold only there; ratios hold roughly elsewhere, too."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.ground import Ground
from bench.program import ROOT

PACKAGES = (
    "pika", "orjson", "jsonschema-rs", "granian", "Flask", "Flask-Mail",
    "aio-pika", "celery", "dramatiq", "fastapi", "faststream", "huey", "litequeue", "mq-bridge", "persist-queue",
    "uvicorn", "uvloop",
)  # fmt: skip
PROBE = 0.5
"""Seconds for which the disk is tested."""


def describe(ground: Ground) -> Mapping[str, Any]:
    """The processor, the disk, and what is installed."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "fdatasync_per_second": round(_syncs(ground.root / "probe")),
        "load_before": os.getloadavg()[0],
        "commit": _commit(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _syncs(file: Path) -> float:
    """How many times a second 4 KiB can be appended to a file and synced to the disk."""
    done, began = 0, time.monotonic()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    try:
        while time.monotonic() - began < PROBE:
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            done += 1
        return done / (time.monotonic() - began)
    finally:
        os.close(descriptor)
        file.unlink()


def _commit() -> str | None:
    """The commit that git says is checked out; a `+` if files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
