"""The first page, as it comes; what a person sees of it is in `test_browser`."""

from __future__ import annotations

import re

from runner.message import Destination, Outgoing
from tests.console.conftest import Shown
from tests.waiting import wait_until


def test_it_counts_the_messages_of_each_queue_without_a_script(shown: Shown) -> None:
    shown.broker.publish([Outgoing(Destination("", "orders"), "m1", b"{}")])
    count = re.compile(r'<span data-live="queue\.orders\.ready">1</span>')
    wait_until(lambda: count.search(shown.ask("/").body))


def test_it_draws_each_stage_and_links_to_it(shown: Shown) -> None:
    page = shown.ask("/").body
    assert page.count("<svg width=") == 2
    assert page.count('<a href="/queues/orders">') == 3  # in both drawings, and in the table
    assert ">check</text>" in page
