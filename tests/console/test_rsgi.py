"""What is answered on the event loop, and what by Flask."""

from __future__ import annotations

import json

from runner.console.rsgi import LARGEST_BODY
from tests.console.conftest import Shown
from tests.waiting import wait_until


def test_health_is_told_at_the_same_address(shown: Shown) -> None:
    assert json.loads(shown.ask("/health/live").body) == {"status": "live"}
    answer = shown.ask("/health/pipeline")
    assert (answer.status, json.loads(answer.body)["detail"]) == (
        503,
        "stage check has no worker; stage bill has no worker",
    )
    wait_until(lambda: shown.ask("/health/ready").status == 200)
    shown.processes["worker"] = False
    assert json.loads(shown.ask("/health/ready").body)["detail"] == "worker is not up"


def test_what_is_no_page_is_a_404_that_leads_back(shown: Shown) -> None:
    answer = shown.ask("/nothing")
    assert answer.status == 404
    assert '<a href="/">' in answer.body


def test_a_form_that_is_too_large_is_refused(shown: Shown) -> None:
    assert shown.ask("/", "POST", "x" * (LARGEST_BODY + 1)).status == 413
    assert shown.ask("/").status == 200
