"""The first failure of a message, kept beside the latest."""

from __future__ import annotations

from runner.message import FIRST_ERROR, FIRST_STAGE, FIRST_TIME
from runner.worker.first_failure import LONGEST, failed, without


def test_the_first_failure_outlives_the_later_ones() -> None:
    first = failed({"mine": 1}, "charge", "no route to the bank")
    assert (first[FIRST_ERROR], first[FIRST_STAGE]) == ("no route to the bank", "charge")
    assert first[FIRST_TIME].endswith("+00:00")
    assert failed(first, "mail", "refused") == first


def test_a_sender_never_sees_it() -> None:
    assert without(failed({"mine": 1}, "charge", "no")) == {"mine": 1}


def test_a_long_reason_is_cut() -> None:
    assert len(failed({}, "charge", "x" * 9_000)[FIRST_ERROR]) == LONGEST
