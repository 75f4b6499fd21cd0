"""Programs that check files of deploy/, if they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def tool(name: str, package: str) -> str:
    """The path of a program that checks such files."""
    if found := shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent):
        return found
    reason = f"{name} isn't here, so a file was only read, not checked. To check it: install {package}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def said(*command: str | Path, **variables: str) -> tuple[int, str]:
    """How a checking tool ends, and what it says."""
    environment = {**os.environ, **variables}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr
