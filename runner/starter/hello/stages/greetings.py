"""Two handlers: a class with settings, and a function without."""

import logging

from runner import Message

log = logging.getLogger(__name__)


class ComposeGreeting:
    """A body with a name → a body with a greeting."""

    def __init__(self, *, greeting: str = "Hello") -> None:
        self._greeting = greeting

    def __call__(self, message: Message) -> dict[str, object]:
        return {"text": f"{self._greeting}, {message.body['name']}!"}


def deliver(message: Message) -> None:
    """The end of the line. `raise Retry("why")` here to be called again later."""
    log.info("%s", message.body["text"])
