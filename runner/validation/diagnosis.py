"""A validator of the package jsonschema that judges as jsonschema_rs does.

It finds what is wrong with a body that was already refused, and is imported only for that:
jsonschema takes as long to import as all the rest of a check.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012, specification_with

from runner.pipeline import JsonSchema
from runner.validation.violations import FALSE

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Errors = Iterator[ValidationError]

BUDGET = 0.05
"""Seconds of processor time that the diagnosis of one body may take. It runs on the intake's
event loop, where every other request waits for it, and some schemas (a recursive `anyOf`,
say) take time that is exponential in the body."""


class OverBudgetError(Exception):
    """The diagnosis took too long; the verdict stands."""


class _Clock(threading.local):
    deadline = math.inf
    """Of this thread's diagnosis, in processor time: a busy machine must not cost a sender the explanation."""


_clock = _Clock()


@contextmanager
def within_budget() -> Iterator[None]:
    """Raises OverBudgetError inside a diagnosis in this thread that takes longer than `BUDGET`."""
    _clock.deadline = time.thread_time() + BUDGET
    try:
        yield
    finally:
        _clock.deadline = math.inf


def _look_at_the_clock() -> None:
    if time.thread_time() > _clock.deadline:
        raise OverBudgetError


def _clocked(keyword: Callable[..., Any]) -> Callable[..., Errors]:
    """One of jsonschema's keywords, which looks at the clock before it begins and at each error."""

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
        _look_at_the_clock()
        for error in keyword(validator, value, instance, schema) or ():
            yield error
            _look_at_the_clock()

    return check


def diagnostic_validator(document: JsonSchema, base_uri: str, read: Callable[[str], Any]) -> Validator:
    """A validator for `document`. Its `$ref`s are relative to `base_uri`; `read` resolves
    them: URI → document."""
    kind: Any = validators.validator_for(document, default=Draft202012Validator)
    draft = specification_with(kind.META_SCHEMA["$schema"], default=DRAFT202012)
    keywords = {name: _clocked(keyword) for name, keyword in {**kind.VALIDATORS, **_KEYWORDS}.items()}
    kind = validators.extend(kind, keywords)  # type: ignore[no-untyped-call]
    document = _without_dialect(document)
    if not base_uri:
        return kind(document)  # type: ignore[no-any-return]

    def retrieve(uri: str) -> Any:
        return draft.create_resource(_without_dialect(read(uri)))

    files: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    resource = draft.create_resource(document)
    return kind({"$ref": base_uri}, registry=files.with_resource(base_uri, resource))  # type: ignore[no-any-return]


def _without_dialect(document: JsonSchema) -> JsonSchema:
    """When a schema names its dialect, jsonschema switches to its own validator for that dialect
    and drops ours; the dialect has been dealt with by then."""
    return document if isinstance(document, bool) else {k: v for k, v in document.items() if k != "$schema"}


@lru_cache(maxsize=256)
def _asked(keyword: str, value: Any) -> Callable[[Any], bool]:
    """Whether a value satisfies one keyword, as jsonschema_rs judges: its formats and regular
    expressions (ECMA 262) differ from Python's, and for Python 0.07 isn't a multiple of 0.01."""
    return jsonschema_rs.validator_for({keyword: value}, validate_formats=True).is_valid


def _asking(keyword: str, *kinds: type) -> Callable[..., Errors]:
    """A keyword that jsonschema_rs judges, for instances of `kinds`."""

    def check(_validator: Validator, value: Any, instance: Any, _schema: Any) -> Errors:
        if isinstance(instance, kinds) and not _asked(keyword, value)(instance):
            yield ValidationError("")

    return check


def _properties(validator: Any, value: Mapping[str, Any], instance: Any, _schema: Any) -> Errors:
    """Like jsonschema's, but names a member whose schema is `false`."""
    for name in value if isinstance(instance, dict) else ():
        if name in instance and value[name] is False:
            yield ValidationError("", validator=FALSE, path=[name], schema_path=[name])
        elif name in instance:
            yield from validator.descend(instance[name], value[name], path=name, schema_path=name)


def _pattern_properties(validator: Any, value: Mapping[str, Any], instance: Any, _schema: Any) -> Errors:
    for pattern, schema in value.items() if isinstance(instance, dict) else ():
        for name in filter(_asked("pattern", pattern), instance):
            if schema is False:  # named, as in `_properties`
                yield ValidationError("", validator=FALSE, path=[name], schema_path=[pattern])
                continue
            yield from validator.descend(instance[name], schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]) -> Errors:
    """One error for each superfluous member, in the body's order; its text is the name."""
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in instance if isinstance(instance, dict) else ():
        _look_at_the_clock()
        if name in known or any(_asked("pattern", pattern)(name) for pattern in patterns):
            continue
        if value is False:
            yield ValidationError(name)
        else:
            yield from validator.descend(instance[name], value, path=name)


_KEYWORDS = {
    "additionalProperties": _additional_properties,
    "format": _asking("format", str),
    "multipleOf": _asking("multipleOf", int, float),
    "pattern": _asking("pattern", str),
    "patternProperties": _pattern_properties,
    "properties": _properties,
    "uniqueItems": _asking("uniqueItems", list),  # jsonschema compares each item with every other
}
