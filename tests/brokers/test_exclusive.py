"""Who has the lock that keeps others away, and what a dead process leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.brokers.exclusive import alone, check_nobody_has
from runner.errors import BrokerSetupError
from tests.killing import ROOT, killed_after

HOLD = """
import sys
from pathlib import Path
from runner.brokers.exclusive import alone
with alone(Path(sys.argv[1]), "'runner move' of ada"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_one_is_told_who_was_first_until_that_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "var" / "moving.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        told = "'runner move' of ada is at work on these queues; wait until that has ended, or stop it"
        with pytest.raises(BrokerSetupError, match=told), alone(path, "me"):
            pass
        with pytest.raises(BrokerSetupError, match=told):
            check_nobody_has(path)
        first.communicate()
    check_nobody_has(path)
    with alone(path, "me"), pytest.raises(BrokerSetupError, match="me is at work"), alone(path, "another"):
        pass
    assert not path.exists()


def test_whoever_is_killed_keeps_nobody_away(tmp_path: Path) -> None:
    path = tmp_path / "moving.lock"
    assert killed_after(1, HOLD, str(path))
    check_nobody_has(path)
    with alone(path, "me"):
        assert path.read_text() == "me"


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(BrokerSetupError, match="can't be locked: "), alone(tmp_path / "var" / "moving.lock", "me"):
        pass
    check_nobody_has(tmp_path / "var" / "moving.lock")
