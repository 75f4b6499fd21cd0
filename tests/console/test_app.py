"""What every answer of the console has."""

from __future__ import annotations

import re

import pytest

from tests.console.conftest import Shown


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/console.css"])
def test_no_page_loads_anything_from_elsewhere_or_that_stands_in_it(shown: Shown, path: str) -> None:
    headers = shown.ask(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"unsafe|\*|https?:", policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_what_a_page_needs_is_served(shown: Shown) -> None:
    needed = re.findall(r'(?:href|src)="(/static/[^"]+)"', shown.ask("/").body)
    assert len(needed) >= 3
    assert {path: shown.ask(path).status for path in needed} == dict.fromkeys(needed, 200)


def test_where_no_page_is_that_is_said_in_our_words(shown: Shown) -> None:
    answer = shown.ask("/nowhere")
    assert answer.status == 404
    assert "<h1>Not found</h1>" in answer.body
    assert "There is no page at this address." in answer.body
