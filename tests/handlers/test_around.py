"""A handler around another is entered, called and left with it."""

from __future__ import annotations

from runner.handlers.around import Around
from runner.message import Message

MESSAGE = Message("m1", {"n": 1}, "in", 1, {})


class Session:
    """A handler that has to be entered."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> Session:
        self.seen.append("entered")
        return self

    def __exit__(self, *_: object) -> None:
        self.seen.append("left")

    def __call__(self, message: Message) -> object:
        self.seen.append(message.id)
        return message.body


def test_it_is_entered_called_and_left_with_its_handler() -> None:
    session = Session()
    with Around(session) as around:
        assert around(MESSAGE) == {"n": 1}
    assert session.seen == ["entered", "m1", "left"]


def test_a_function_needs_neither() -> None:
    with Around(lambda message: message.id) as around:
        assert around(MESSAGE) == "m1"
