"""The words for what is in doubt."""

from __future__ import annotations

from runner.worker.unsettled import Provisional, Unsettled


def test_what_is_unsettled_says_why() -> None:
    assert Unsettled("it is still pending").reason == str(Unsettled("it is still pending")) == "it is still pending"


def test_a_provisional_result_is_not_taken_for_a_list_of_bodies() -> None:
    assert Provisional({"kind": "pending"}).result == {"kind": "pending"}
