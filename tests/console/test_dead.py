"""The dead letters, to look at."""

from __future__ import annotations

from tests.console.conftest import Shown, bury


def test_they_are_grouped_by_kind_of_error_and_each_opens(shown: Shown) -> None:
    assert "No dead letters." in shown.ask("/dead").body
    bury(shown, "a", "b", error="order 17 is refused")
    bury(shown, "c", error="<b>boom</b>")
    page = shown.ask("/dead").body
    assert "order … is refused" in page
    assert "&lt;b&gt;boom&lt;/b&gt;" in page
    assert 'href="/dead/orders/b"' in page
    opened = shown.ask("/dead/orders/b").body
    assert "order 17 is refused" in opened
    assert "ada" not in shown.ask("/dead?id=c").body
    assert "None of the dead letters is like that." in shown.ask("/dead?error=nothing").body


def test_card_numbers_are_masked(shown: Shown) -> None:
    bury(shown, "a", error="card 4111111111111111 is refused", body=b'{"card": "4111111111111111"}')
    for path in ("/dead", "/dead/orders/a"):
        page = shown.ask(path).body
        assert "4111111111111111" not in page
        assert "1111" in page


def test_one_that_is_gone_is_a_404(shown: Shown) -> None:
    answer = shown.ask("/dead/orders/nobody")
    assert answer.status == 404
    assert "it may have been replayed or dropped" in answer.body


def test_a_queue_that_is_not_there_is_told(shown: Shown) -> None:
    answer = shown.ask("/dead?queue=order")
    assert answer.status == 503
    assert "did you mean &#39;orders&#39;?" in answer.body
