"""A setting from the YAML → what a parameter's annotation asks for.

`str`, `int`, `float`, `bool`, `None`, `Path`, lists, mappings, `Literal` and unions of
them are checked; any other annotation takes whatever comes.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.errors import Trail
from runner.wording import listed, shown

Texts = Any
"""What the file says, in the shape of the value: a text for each scalar, a list for a list,
a mapping for a mapping. None where it isn't known."""

_LISTS = (list, Sequence, Iterable, Collection, tuple, set, frozenset)
_MAPPINGS = (dict, Mapping)


class MisfitError(ValueError):
    """A value isn't what its annotation asks for. `trail` leads to it, from the setting."""

    def __init__(self, value: Any, annotation: Any, trail: Trail = ()) -> None:
        super().__init__(f"must be {described(annotation)}")
        self.value = value
        self.annotation = annotation
        self.trail = trail


def coerce(value: Any, annotation: Any, texts: Texts = None, *, folder: Path | None = None) -> Any:
    """`value` as `annotation` asks for it. Raises MisfitError.

    If it asks for text, a plain scalar arrives as it is written (`0123`, or empty), which
    `texts` holds. A relative `Path` starts at `folder`.
    """
    return _Coercion(folder).coerce(value, annotation, texts, ())


class _Coercion:
    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def coerce(self, value: Any, annotation: Any, texts: Texts, trail: Trail) -> Any:
        annotation = _bare(annotation)
        origin = typing.get_origin(annotation) or annotation
        if origin in (typing.Union, types.UnionType):
            return self._union(value, annotation, texts, trail)
        if origin is typing.Literal:
            return _literal(value, annotation, texts, trail)
        if origin in _LISTS:
            return self._list(value, annotation, texts, trail)
        if origin in _MAPPINGS:
            return self._mapping(value, annotation, texts, trail)
        if origin is Path:
            return (self._folder or Path()) / _text(value, annotation, texts, trail)
        check = _SCALARS.get(origin) if isinstance(origin, type) else None
        return check(value, annotation, texts, trail) if check else value

    def _union(self, value: Any, annotation: Any, texts: Texts, trail: Trail) -> Any:
        """The first member that the value fits unchanged, else the first that takes its text;
        a number fits its own type before another."""
        misfits = []
        members = sorted(typing.get_args(annotation), key=lambda member: member is not type(value))
        for known in (None, texts):
            for member in members:
                try:
                    return self.coerce(value, member, known, trail)
                except MisfitError as error:
                    misfits.append(error)
        deeper = [error for error in misfits if len(error.trail) > len(trail)]
        raise deeper[0] if deeper else MisfitError(value, annotation, trail)

    def _list(self, value: Any, annotation: Any, texts: Texts, trail: Trail) -> list[Any]:
        if not isinstance(value, list):
            raise MisfitError(value, annotation, trail)
        item = _item(annotation)
        written = texts if isinstance(texts, list) else [None] * len(value)
        return [self.coerce(v, item, t, (*trail, i)) for i, (v, t) in enumerate(zip(value, written, strict=True))]

    def _mapping(self, value: Any, annotation: Any, texts: Texts, trail: Trail) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise MisfitError(value, annotation, trail)
        member = (typing.get_args(annotation) or (str, Any))[1]
        written = texts if isinstance(texts, dict) else {}
        return {name: self.coerce(v, member, written.get(name), (*trail, name)) for name, v in value.items()}


def _bare(annotation: Any) -> Any:
    while typing.get_origin(annotation) in (typing.Annotated, typing.Final):
        annotation = typing.get_args(annotation)[0]
    return type(None) if annotation is None else annotation


def _item(annotation: Any) -> Any:
    """What a list's items should be; a tuple of fixed length isn't checked inside."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple and arguments[1:] != (...,):
        return Any
    return arguments[0] if arguments else Any


# -- Scalars ----------------------------------------------------------------------


def _text(value: Any, annotation: Any, texts: Texts, trail: Trail) -> str:
    if isinstance(value, str):
        return value
    written_null = value is None and texts != ""
    if not isinstance(texts, str) or written_null:
        raise MisfitError(value, annotation, trail)
    return texts


def _of_type(*kinds: type) -> Callable[[Any, Any, Texts, Trail], Any]:
    def check(value: Any, annotation: Any, _texts: Texts, trail: Trail) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise MisfitError(value, annotation, trail)
        return value

    return check


def _whole(value: Any, annotation: Any, _texts: Texts, trail: Trail) -> int:
    """Helm and others write whole numbers as 10.0 and 1e+06, which YAML has for floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MisfitError(value, annotation, trail)
    return value


_SCALARS: Mapping[type, Callable[[Any, Any, Texts, Trail], Any]] = {
    str: _text,
    bool: _of_type(bool),
    int: _whole,
    float: _of_type(int, float),
    type(None): _of_type(type(None)),
}


def _literal(value: Any, annotation: Any, texts: Texts, trail: Trail) -> Any:
    options = typing.get_args(annotation)
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    for candidate in (value, whole, texts):
        if any(candidate == option and type(candidate) is type(option) for option in options):
            return candidate
    raise MisfitError(value, annotation, trail)


# -- In words ---------------------------------------------------------------------


def described(annotation: Any) -> str:
    """What an annotation asks for, in words: `text`, `a whole number or nothing`."""
    annotation = _bare(annotation)
    origin = typing.get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        return listed(dict.fromkeys(described(member) for member in typing.get_args(annotation)), "or")
    if origin is typing.Literal:
        return listed(_options(annotation), "or")
    if origin in _LISTS:
        return "a list"
    if origin in _MAPPINGS:
        return "a mapping"
    return _DESCRIBED.get(origin, "something else")


_DESCRIBED = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "empty",
    Path: "a path",
}


def _options(annotation: Any) -> Iterator[str]:
    yield from (shown(option) for option in typing.get_args(annotation))
