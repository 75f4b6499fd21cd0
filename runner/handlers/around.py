"""A handler around another: entered and left with it. What it does besides is for those derived from it."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

from runner.handlers.factory import Handler
from runner.message import Message


class Around:
    """Stands for `handler`, which it enters if that is a context manager."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._left = ExitStack()

    def __enter__(self) -> Self:
        if isinstance(self._handler, AbstractContextManager):
            self._left.enter_context(self._handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.__exit__(kind, error, traceback)

    def __call__(self, message: Message) -> object:
        return self._handler(message)
