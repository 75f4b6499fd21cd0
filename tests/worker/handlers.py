"""Handlers that record what they get, and some that misbehave."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Self

from runner import Message, Pause, Reject, Retry


class Recorder:
    """What the handlers of one test have seen."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.messages: list[Message] = []

    def note(self, event: str) -> None:
        self.events.append((event, threading.get_ident()))

    def count(self, event: str) -> int:
        return sum(name == event for name, _ in self.events)


class Noting:
    """Notes what it gets."""

    seen: ClassVar[Recorder] = Recorder()

    def __call__(self, message: Message) -> None:
        self.seen.messages.append(message)
        self.seen.note("called")


class Entered(Noting):
    """Is entered and left."""

    def __enter__(self) -> Self:
        self.seen.note("entered")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seen.note("left")


class Unenterable(Noting):
    """Can't be entered, the second time."""

    def __enter__(self) -> Self:
        self.seen.note("entered")
        if self.seen.count("entered") > 1:
            raise ConnectionError("no route to the bank")
        return self

    def __exit__(self, *_: object) -> None:
        self.seen.note("left")


class Exiting(Noting):
    """Tries to end the process."""

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        sys.exit("handler")


class Serviced(Noting):
    """Needs a service that may be away: then it raises `fault`, from the third call on only when
    it is `answered`. A service that is there has work for `together` handlers at once."""

    away: ClassVar[bool]
    fault: ClassVar[type[Exception]]
    answered: ClassVar[threading.Event]
    together: ClassVar[threading.Barrier]

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        if not self.away:
            self.together.wait(10)
            self.seen.note("together")
            return
        if len(self.seen.messages) > 2:
            self.answered.wait(10)
        if self.away:
            raise self.fault("503")


class Pausing(Noting):
    """Can't work for half a second."""

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        if len(self.seen.messages) == 1:
            raise Pause("the password is refused", delay=0.5)


class Resting(Noting):
    """Can't work for long."""

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        raise Pause("the mail server is away", delay=600)


class Unspeakable(Exception):
    """Can't tell of itself."""

    def __str__(self) -> str:
        raise RuntimeError


class Careless(Noting):
    """Raises what is hard to tell of."""

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        orders: dict[str, Callable[[], Exception]] = {
            "reject": lambda: Reject(ValueError("an object")),  # type: ignore[arg-type]
            "retry": lambda: Retry(None),  # type: ignore[arg-type]
            "text": lambda: Retry("later", delay="30"),  # type: ignore[arg-type]
            "infinite": lambda: Retry("later", delay=float("inf")),
            "never": lambda: Pause("rest", delay=float("nan")),
            "unspeakable": Unspeakable,
            "surrogate": lambda: Reject("no file \udc80.txt"),
        }
        order = orders[message.body]()
        raise order


class Waiting(Noting):
    """Waits until the test lets it go."""

    released: ClassVar[threading.Event]

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        self.released.wait(30)


class Hanging(Entered):
    """Hangs at the body 0, until the test lets it go, and passes on whatever it gets."""

    released: ClassVar[threading.Event]

    def __call__(self, message: Message) -> object:  # type: ignore[override]
        super().__call__(message)
        if message.body == 0:
            self.released.wait(30)
        return message.body


class Lingering(Entered):
    """Is not left before the test lets it go."""

    released: ClassVar[threading.Event]

    def __exit__(self, *_: object) -> None:
        self.released.wait(30)


class Backtracking(Noting):
    """Keeps all threads of its process from running, for ever."""

    def __call__(self, message: Message) -> None:
        re.match(r"(a+)+$", "a" * 60 + "b")


class Returning(Noting):
    """Returns a body that nothing takes."""

    def __call__(self, message: Message) -> dict[str, int]:  # type: ignore[override]
        super().__call__(message)
        return {"unused": 1}
