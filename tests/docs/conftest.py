"""A virtual environment as `make` makes it, without the minutes that installing takes."""

from __future__ import annotations

import os
import shutil
import sys
import venv as venvs
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

COMMAND = """#!{python}
import sys
from runner.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the packages of this session, and the command `runner`."""
    for tool in ("bash", "curl", "make"):
        if shutil.which(tool) is None:
            reason = f"The documents' commands were left out: no {tool} here. To run them: apt-get install {tool}"
            pytest.fail(reason, pytrace=False) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("venv") / ".venv"
    venvs.create(folder, symlinks=True)
    packages = [str(ROOT), *(path for path in sys.path if path.endswith("-packages"))]
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "session.pth").write_text("\n".join(packages) + "\n")
    command = folder / "bin/runner"
    command.write_text(COMMAND.format(python=folder / "bin/python"))
    command.chmod(0o755)
    for mark in ("installed", "installed-dev"):
        (folder / mark).touch()
    return folder
