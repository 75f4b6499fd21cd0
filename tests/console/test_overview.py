"""The first page."""

from __future__ import annotations

from runner.message import Destination, Outgoing
from tests.console.conftest import Shown


def test_it_counts_the_messages_of_each_queue(shown: Shown) -> None:
    shown.broker.publish([Outgoing(Destination("", "orders"), "m1", b"{}")])
    page = shown.ask("/").body
    assert "orders" in page
    assert "bills" in page
    assert "<td>1</td>" in page
