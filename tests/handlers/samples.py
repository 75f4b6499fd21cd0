"""Handlers of every kind, and callables that are not handlers."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from runner import Message

if TYPE_CHECKING:
    from fractions import Fraction

HERE = __name__


def plain(message: Message) -> Any:
    return message.body


def with_settings(message: Message, *, gateway: str, timeout: float = 5.0) -> Any:
    return (message.body, gateway, timeout)


def with_all_settings(message: Message, *, settings: Mapping[str, Any]) -> Any:
    return settings


def loosely(message: Message, gateway: str = "g", **others: Any) -> Any:
    return (gateway, others)


class Charge:
    def __init__(self, *, gateway: str, cards: list[str] = []) -> None:  # noqa: B006 - settings are copied
        if gateway == "none":
            raise ValueError("gateway 'none' isn't known")
        self.gateway = gateway
        self.cards = cards

    def __call__(self, message: Message) -> Any:
        return (self.gateway, message.body)

    def inner(self, message: Message) -> None: ...


class Child(Charge):
    """Inherits its call."""


@dataclasses.dataclass
class AsDataclass:
    port: int
    name: str = "x"

    def __call__(self, message: Message) -> Any:
        return self.port


class TypedElsewhere:
    def __init__(self, *, share: Fraction, price: Decimal, port: int) -> None: ...
    def __call__(self, message: Message) -> None: ...


class WithoutCall:
    pass


class Raises:
    def __init__(self, *, first: int = 1, second: int = 2) -> None:
        raise KeyError("first")

    def __call__(self, message: Message) -> None: ...


class Leaves:
    def __init__(self) -> None:
        sys.exit(3)

    def __call__(self, message: Message) -> None: ...


class AsyncCall:
    async def __call__(self, message: Message) -> None: ...


async def asynchronous(message: Message) -> None: ...


def generating(message: Message) -> Iterator[int]:
    yield 1


def without_message() -> None: ...


def only_by_name(*, message: Message) -> None: ...


def positional(message: Message, gateway: str, /) -> None: ...


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


decorated = wrapped(with_settings)
decorated_async = wrapped(asynchronous)
partial = functools.partial(with_settings, gateway="fixed")
constant = 3
