"""Killing a program when it has told of some progress."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[1]


def killed_after(lines: int, script: str, *arguments: str, folder: Path = ROOT) -> bool:
    """Run a script of Python, and kill it when it has written so many lines. False: it has done before."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if len(list(islice(process.stdout, lines))) == lines:
            process.send_signal(signal.SIGKILL)
            return True
        assert process.wait(60) == 0
        return False
