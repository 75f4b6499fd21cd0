"""What the simulated gateway remembers outlives its process, and whatever happens in a transaction."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.gateways import Charge
from stages.gateways.charge_log import ChargeLog, last_four

CARD = "4242424242424242"
MAKE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from stages.gateways import Charge
from stages.gateways.charge_log import ChargeLog

log = ChargeLog(Path(sys.argv[1]))
with log.transaction():
    log.make(Charge("kept", "4242424242424242", 1), "one")
with log.transaction():
    log.make(Charge("never made", "4242424242424242", 1), "two")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "charges.db"


def test_what_was_made_is_known_after_its_process_was_killed_and_what_was_not_isnt(file: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", MAKE_AND_DIE, str(file)], check=False)
    log = ChargeLog(file)

    assert ended.returncode == -signal.SIGKILL
    made = log.made("kept")
    assert made is not None
    assert (made.id, made.amount, made.last4) == ("one", 1, "4242")
    assert log.made("never made") is None
    log.close()


def test_a_transaction_that_fails_leaves_nothing_behind_and_nobody_waiting(file: Path) -> None:
    log = ChargeLog(file)

    def fail() -> None:
        with log.transaction():
            log.make(Charge("key", CARD), "one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with log.transaction():
        assert log.count("key") == 0
    log.close()


def test_a_first_request_is_the_first_of_its_key(file: Path) -> None:
    log = ChargeLog(file)
    assert [log.is_first_request(key) for key in ("a", "a", "b")] == [True, False, True]
    log.close()


def test_charges_stay_though_another_process_has_opened_and_closed_the_file_meanwhile(file: Path) -> None:
    """Each slot of a worker opens the file, and none may drop the locks of the others."""
    first, second = ChargeLog(file), ChargeLog(file)
    assert [log.count("key") for log in (first, second)] == [0, 0]
    look = f"import sqlite3; d = sqlite3.connect({str(file)!r}); print(*d.execute('SELECT key FROM charge')); d.close()"
    subprocess.run([sys.executable, "-c", look], check=True)
    first.make(Charge("key", CARD, 1), "one")
    seen = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout
    assert seen == "('key',)\n"
    first.close()
    second.close()


def test_a_file_of_the_users_keeps_its_mode(file: Path) -> None:
    file.touch()
    file.chmod(0o640)
    log = ChargeLog(file)
    log.count("key")
    log.close()
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_token_has_no_last_four_digits() -> None:
    assert last_four(Charge("key", token="pm_1234")) is None
