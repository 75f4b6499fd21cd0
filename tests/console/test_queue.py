"""The page of a queue and its stage."""

from __future__ import annotations

from tests.console.conftest import Shown
from tests.waiting import wait_until


def test_it_shows_the_stage_its_retries_and_where_it_publishes_to(shown: Shown) -> None:
    page = shown.ask("/queues/orders").body
    assert "<h1>check</h1>" in page
    assert "5, after 2s, 6s, 18s, 54s" in page
    assert '<a href="/queues/bills">bills</a>' in page
    assert "handler: tests.config.handlers:take" in page
    assert "orders.dlq" in page


def test_while_the_broker_is_away_its_figures_are_called_old(shown: Shown) -> None:
    wait_until(lambda: "These figures are old" not in shown.ask("/queues/orders").body)
    shown.broker.close()
    wait_until(lambda: "These figures are old: " in shown.ask("/queues/orders").body)
    assert '<div data-live-state="#trouble" data-state="bad">' in shown.ask("/queues/orders").body


def test_a_queue_that_is_not_in_the_file_is_a_404(shown: Shown) -> None:
    answer = shown.ask("/queues/%3Cscript%3E")
    assert answer.status == 404
    assert "<script>" not in answer.body.replace("<script src=", "")
