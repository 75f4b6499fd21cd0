"""The simulated gateway answers as its table says, and charges a payment once, in all its processes."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner import Reject, Retry
from stages.gateways import Approved, Charge, Declined, Pending, Result
from stages.gateways.simulated import SimulatedGateway

APPROVED, PENDING = "4242424242424242", "4000000000000077"
FAILS, FAILS_ONCE = "4000000000000119", "4000000000005001"
TIMES_OUT_ONCE, FORGETS = "4000000000005019", "4000000000005027"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "charges.db"


def charge(file: Path, card: str, key: str = "key", *, latency: float = 0.0, **more: Any) -> Result:
    """By a separate handler, as each attempt may be."""
    with SimulatedGateway(timeout=0.001, latency=latency, charges=file) as gateway:
        return gateway.charge(Charge(key, card, **more))


def look_up(file: Path, key: str = "key") -> Result | None:
    with SimulatedGateway(timeout=1, charges=file) as gateway:
        return gateway.look_up(key)


def charges(file: Path) -> list[tuple[str, int | None]]:
    """Those that were really made, as key and amount."""
    database = sqlite3.connect(file)
    try:
        return database.execute("SELECT key, amount FROM charge ORDER BY number").fetchall()
    finally:
        database.close()


def test_any_card_that_is_not_in_the_table_is_approved_under_the_id_of_the_payment(file: Path) -> None:
    first, other = charge(file, APPROVED), charge(file, APPROVED, "another")
    assert isinstance(first, Approved)
    assert isinstance(other, Approved)
    assert first.id != other.id
    assert first.time.tzinfo is not None
    assert re.fullmatch("sim_[a-z2-7]{24}", first.id), "no row of digits in it can be taken for a card number"


def test_a_charge_that_is_asked_for_again_is_the_same_one_with_its_time(file: Path) -> None:
    assert charge(file, APPROVED, amount=1999) == charge(file, APPROVED, amount=1999) == look_up(file)
    assert charges(file) == [("key", 1999)]


@pytest.mark.parametrize("other", [{"amount": 2000}, {"currency": "CHF"}, {"card": "4111111111111111"}])
def test_a_key_that_was_used_for_another_charge_is_refused(file: Path, other: dict[str, Any]) -> None:
    first: dict[str, Any] = {"card": APPROVED, "amount": 1999, "currency": "EUR"}
    charge(file, **first)
    with pytest.raises(Reject, match="from a charge that differs"):
        charge(file, **{**first, **other})
    assert charges(file) == [("key", 1999)]


def test_a_card_that_is_declined_is_never_charged(file: Path) -> None:
    for _ in range(2):
        assert charge(file, "4000000000000002") == Declined("card_declined", "The bank declined the card.")
    assert charges(file) == []
    assert look_up(file) is None


def test_a_pending_charge_is_not_made(file: Path) -> None:
    assert charge(file, PENDING) == Pending()
    assert charges(file) == []


def test_a_card_that_fails_every_time_fails_every_time(file: Path) -> None:
    for _ in range(3):
        with pytest.raises(Retry, match="nothing was charged: 503 Service Unavailable"):
            charge(file, FAILS)
    assert charges(file) == []


def test_a_card_that_fails_once_is_approved_when_the_payment_comes_again(file: Path) -> None:
    with pytest.raises(Retry, match="503"):
        charge(file, FAILS_ONCE)
    assert isinstance(charge(file, FAILS_ONCE), Approved)
    with pytest.raises(Retry, match="503"):
        charge(file, FAILS_ONCE, "another")


def test_an_answer_that_is_lost_once_is_the_same_charge_when_it_is_asked_for_again(file: Path) -> None:
    with pytest.raises(Retry, match=r"no answer within 0\.001 s: whether the card was charged is unknown"):
        charge(file, TIMES_OUT_ONCE)
    assert charges(file) == [("key", None)], "it was charged all the same"
    assert charge(file, TIMES_OUT_ONCE) == look_up(file)
    assert charges(file) == [("key", None)]


def test_a_key_that_is_forgotten_charges_a_second_time_unless_the_charge_is_looked_up(file: Path) -> None:
    with pytest.raises(Retry, match="unknown"):
        charge(file, FORGETS)
    known = look_up(file)
    assert isinstance(known, Approved)
    again = charge(file, FORGETS)
    assert isinstance(again, Approved)
    assert again.id != known.id
    assert charges(file) == [("key", None), ("key", None)]


def test_an_answer_beyond_the_timeout_is_lost_and_the_card_is_charged(file: Path) -> None:
    with pytest.raises(Retry, match="unknown"):
        charge(file, APPROVED, latency=60)
    assert charges(file) == [("key", None)]


CHARGE_ALL = """
import sys
from pathlib import Path
from stages.gateways import Charge
from stages.gateways.simulated import SimulatedGateway

with SimulatedGateway(timeout=5, charges=Path(sys.argv[1])) as gateway:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(50):
        print(gateway.charge(Charge(f"key-{number}", "4242424242424242", number)).id)
"""


def test_processes_that_charge_the_same_payments_at_once_charge_each_once(file: Path) -> None:
    command = [sys.executable, "-c", CHARGE_ALL, str(file)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in processes]

    assert [process.returncode for process in processes] == [0] * 4
    assert len(set(said)) == 1, "each has the same answers"
    assert sorted(charges(file)) == sorted((f"key-{number}", number) for number in range(50))


def test_the_file_is_for_this_user_alone_and_holds_no_card_number(file: Path) -> None:
    gateway = SimulatedGateway(timeout=1, charges=file)
    with gateway:
        gateway.charge(Charge("key", APPROVED, 1999, "EUR", expiry="11/29", reference="Order 1"))
        beside = list(file.parent.iterdir())
        assert {path.name for path in beside} == {"charges.db", "charges.db-shm", "charges.db-wal"}
        assert {oct(path.stat().st_mode & 0o777) for path in beside} == {"0o600"}
        for path in beside:
            assert APPROVED.encode() not in path.read_bytes()


def test_a_check_that_builds_the_gateway_writes_nothing(file: Path) -> None:
    SimulatedGateway(timeout=1, charges=file)
    assert not file.parent.exists()


def test_the_trigger_cards_are_documented_where_they_are_looked_for() -> None:
    documented = SimulatedGateway.__doc__ or ""

    for card in ("0002", "9995", "0069", "9979", "0077", "0119", "5001", "5019", "5027"):
        assert f"400000000000{card}" in documented


def test_a_charge_never_shows_its_card() -> None:
    assert APPROVED not in repr(Charge("key", APPROVED, token=APPROVED))
