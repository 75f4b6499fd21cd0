"""Which dead letters somebody means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runner.brokers.base import Shelved
from runner.console.chosen import Choice, choice_of, read_choice
from runner.deadletters import grouped, read


def dead(id: str, error: str, ago: timedelta = timedelta()) -> Shelved:
    time = (datetime.now(UTC) - ago).isoformat()
    return Shelved(id, b"{}", {"runner-error": error, "runner-stage": "pay", "runner-time": time}, 0)


def test_a_choice_travels_through_an_address() -> None:
    choice = Choice(queue="orders", error="ValueError", since="1h", id="m1")
    assert read_choice(choice.given) == choice
    assert read_choice({}).given == {}
    assert read_choice({"since": "yesterday", "queue": " orders "}) == Choice(queue="orders")


def test_it_takes_what_is_meant() -> None:
    young, old = read("orders", dead("a", "x")), read("orders", dead("b", "x", timedelta(hours=2)))
    assert [letter.id for letter in (young, old) if Choice(since="1h").filter.takes(letter)] == ["a"]
    assert [letter.id for letter in (young, old) if Choice(id="b").filter.takes(letter)] == ["b"]
    assert Choice(queue="orders").queues == ["orders"]
    assert Choice().queues == []


def test_that_of_a_group_takes_the_group() -> None:
    letters = [read("orders", dead("a", "order 1 is bad")), read("orders", dead("b", "no money"))]
    [first, _] = grouped(letters)
    assert [letter.id for letter in letters if choice_of(first, "").filter.takes(letter)] == ["a"]
