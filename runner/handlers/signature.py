"""What a handler's signature says: that it takes one message, and which settings it has.

The signature is the specification: there are no decorators, and no registry.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

from runner.handlers.problems import name_of, unusable
from runner.wording import quoted

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_call(target: Callable[..., Any], reference: str) -> None:
    """A handler is a plain function that takes one message, or a class whose instances do.

    Raises HandlerError for anything else.
    """
    function = _called(target)
    if function is None:
        raise unusable(f"class {name_of(target)} has no __call__(self, message), so it can't handle a message")
    body = inspect.unwrap(function)
    if inspect.iscoroutinefunction(body) or inspect.isasyncgenfunction(body):
        raise unusable(
            f"handler {quoted(reference)} is 'async def'; handlers are plain functions, which run in threads"
        )
    if inspect.isgeneratorfunction(body):
        raise unusable(f"handler {quoted(reference)} is a generator; return a list of bodies instead of yielding them")
    signature = _signature(function)
    if signature is not None and not _takes_message(signature, inspect.isclass(target)):
        raise unusable(f"handler {quoted(reference)} can't be called with one message: it takes {signature}")


def _called(target: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function that a message is passed to: a class's own `__call__`, not its metaclass's."""
    if not inspect.isclass(target):
        plain = inspect.isroutine(target) or isinstance(target, partial)
        return target if plain else typing.cast(Callable[..., Any], type(target).__call__.__get__(target))
    return next((vars(base)["__call__"] for base in target.__mro__ if "__call__" in vars(base)), None)


def _takes_message(signature: inspect.Signature, bound_later: bool) -> bool:
    """Whether one positional argument is enough. The other arguments of a function are settings;
    those of a class's `__call__` get no value."""
    needed = [p for p in signature.parameters.values() if p.default is p.empty and p.kind not in VARIADIC]
    settings = {} if bound_later else {p.name: None for p in needed if p.kind is p.KEYWORD_ONLY}
    arguments = [None, None] if bound_later else [None]
    if not bound_later:
        settings |= {p.name: None for p in needed[1:] if p.kind is p.POSITIONAL_OR_KEYWORD}
    try:
        signature.bind(*arguments, **settings)
    except TypeError:
        return False
    return True


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # built in, without a signature: only a call will tell
        return None


def parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters that settings are bound to: all of a class's, and a function's except the message."""
    signature = _signature(target)
    if signature is None:
        return {}
    found = list(signature.parameters.values())
    if not inspect.isclass(target) and found and found[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        found = found[1:]
    return {parameter.name: parameter for parameter in found}


def annotations_of(target: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]) -> Mapping[str, Any]:
    """The annotations, as far as they can be resolved: one that names something imported
    only for type checkers can't be."""
    module = sys.modules.get(_module_of(target))
    names = vars(module) if module else {}
    hints: dict[str, Any] = {}
    for name, parameter in parameters.items():
        holder = SimpleNamespace(__annotations__={name: parameter.annotation})
        try:
            hints |= typing.get_type_hints(holder, names)
        except Exception:  # noqa: BLE001 - an annotation may be any expression, and this one isn't checked
            hints[name] = Any
    return {name: Any if hint is inspect.Parameter.empty else hint for name, hint in hints.items()}


def _module_of(target: Callable[..., Any]) -> str:
    """The module whose names the annotations use: a class may have inherited its `__init__` from
    one in another module."""
    owner = target
    if inspect.isclass(target):
        owner = next((base for base in target.__mro__ if "__init__" in vars(base)), target)
    return getattr(owner, "__module__", None) or ""
