"""What is wrong with a body that breaks its schema, in words for its sender.

`diagnosis` finds the violations, and this file words them: by what the schema asks
for, never by what was sent, since that may be a card number. `schema` decides whether
a body breaks its schema at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from runner.wording import listed

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

Path = Sequence[str | int]

FALSE = "false"
"""Stands for the keyword of a refusal by the schema `false`, which has none."""
MOST = 20
"""Violations that a refusal names."""
MOST_ERRORS = 200
"""Errors that are examined to find them."""
_HARMLESS = re.compile(r"[A-Za-z_-]{1,40}")
_MOST_OPTIONS = 12
_LONGEST_OPTION = 80


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a body: where (an RFC 6901 pointer; for a missing member,
    the pointer that it would have), and what the schema asks for there."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or 'the body'} {self.detail}"


UNEXPLAINED = Violation("", "breaks its schema, too deep within it or in too many ways to say where")
"""The only violation when finding out more would take too long."""


def explain(validator: Validator, body: Any) -> tuple[Violation, ...]:
    """What `validator` (of the package jsonschema) finds, each once, at most `MOST`. For a
    value of the wrong type it says only that, since the rest follows from it."""
    errors = list(islice(validator.iter_errors(body), MOST_ERRORS))
    mistyped = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    telling = (e for e in errors if e.validator == "type" or tuple(e.absolute_path) not in mistyped)
    return first(violation for error in telling for violation in _worded(error))


def first(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    """Each once, at most `MOST`: a sender who fixes these will ask again."""
    found: dict[Violation, None] = {}
    for violation in violations:
        found[violation] = None
        if len(found) == MOST:
            break
    return tuple(found)


def _worded(error: ValidationError) -> Iterator[Violation]:
    keyword = str(error.validator or FALSE)
    path, schema_path = list(error.absolute_path), list(error.absolute_schema_path)
    several = _SEVERAL.get(keyword)
    if words := _authors_words(error, keyword):
        yield _violation(path, schema_path, words)
    elif keyword in ("anyOf", "oneOf") and (meant := _meant(error)):
        yield from (violation for inner in meant for violation in _worded(inner))
    elif ("propertyNames", keyword) in pairwise(schema_path):
        yield _violation(path, schema_path, "has a member whose name isn't allowed")
    elif several is None:
        yield _violation(path, schema_path, _detail(keyword, error.validator_value))
    else:
        yield from (
            _violation([*path, *below], [*schema_path, *known], detail) for below, known, detail in several(error)
        )


def _authors_words(error: ValidationError, keyword: str) -> str:
    """What the schema says itself, in its `errorMessage` (which editors and Ajv know): a text, or one
    for each keyword. Empty where it says nothing."""
    said = error.schema.get("errorMessage") if isinstance(error.schema, Mapping) else None
    if isinstance(said, Mapping):
        said = said.get(keyword)
    return said if isinstance(said, str) and keyword != FALSE else ""


def _meant(error: ValidationError) -> list[ValidationError]:
    """The violations of the form that was probably meant: the only one of several that no
    type, constant or list of values rules out. None if there isn't exactly one."""
    forms: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        forms.setdefault(next(iter(inner.schema_path), None), []).append(inner)
    rules_out = {"const", "enum", "type", "None"}
    likely = [inner for inner in forms.values() if rules_out.isdisjoint(str(one.validator) for one in inner)]
    return likely[0] if len(likely) == 1 else []


def _violation(path: Path, schema_path: Path, detail: str) -> Violation:
    """A violation at `path`. Names in the path may come from the sender: the pointer ends
    before a name that isn't in the schema, since it might be anything."""
    known = {name for keyword, name in pairwise(schema_path) if keyword == "properties"}
    shown: list[str | int] = []
    for part in path:
        if isinstance(part, str) and part not in known and not _HARMLESS.fullmatch(part):
            return Violation(_pointer(shown), f"has a member that {detail}")
        shown.append(part)
    return Violation(_pointer(shown), detail)


def not_allowed(path: Path, known: Iterable[str]) -> Violation:
    """Of a member that may not be there; `known` are the names in its path that the schema has."""
    return _violation(path, [part for name in known for part in ("properties", name)], "isn't allowed")


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


# -- Keywords whose violation lies at one place, with one sentence -------------------


def _detail(keyword: str, asked: Any) -> str:
    sentence = _SENTENCES.get(keyword)
    if sentence is None:
        return f"breaks the schema's {keyword!r}"
    return sentence(asked) if callable(sentence) else sentence.format(asked)


def _types(asked: Any) -> str:
    names = {"string": "a string", "integer": "an integer", "array": "an array", "object": "an object"}
    names |= {"number": "a number", "boolean": "true or false"}
    types = [asked] if isinstance(asked, str) else asked
    return "must be " + listed((names.get(name, name) for name in types), "or")


def _options(asked: Sequence[Any]) -> str:
    options = [_json(option) for option in asked]
    if len(options) > _MOST_OPTIONS or max(map(len, options), default=0) > _LONGEST_OPTION:
        return f"must be one of the {len(options)} values that the schema lists"
    return "must be " + ("one of " if len(options) > 1 else "") + listed(options, "or")


def _constant(asked: Any) -> str:
    text = _json(asked)
    return f"must be {text}" if len(text) <= _LONGEST_OPTION else "must be the value that the schema names"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _bound(words: str, noun: str) -> Callable[[Any], str]:
    return lambda asked: f"must have {words} {asked} {noun}" + ("" if asked == 1 else "s")


def _format(asked: Any) -> str:
    known = {
        "date": "a date, such as 2031-12-31",
        "date-time": "a date and time, such as 2031-12-31T23:59:59Z",
        "email": "an e-mail address",
        "time": "a time, such as 23:59:59Z",
        "uri": "a URI",
        "uuid": "a UUID",
    }
    return f"must be {known[asked]}" if asked in known else f"must have the format {asked!r}"


_SENTENCES: Mapping[str, str | Callable[[Any], str]] = {
    "anyOf": lambda asked: f"must have at least one of {len(asked)} forms",
    "const": _constant,
    "contains": "must hold an item of the kind that the schema names",
    "enum": _options,
    FALSE: "isn't allowed",
    "exclusiveMaximum": "must be less than {}",
    "exclusiveMinimum": "must be greater than {}",
    "format": _format,
    "maxContains": "must hold at most {} of the kind that the schema names",
    "maximum": "must be at most {}",
    "maxItems": _bound("at most", "item"),
    "maxLength": _bound("at most", "character"),
    "maxProperties": _bound("at most", "member"),
    "minContains": "must hold at least {} of the kind that the schema names",
    "minimum": "must be at least {}",
    "minItems": _bound("at least", "item"),
    "minLength": _bound("at least", "character"),
    "minProperties": _bound("at least", "member"),
    "multipleOf": "must be a multiple of {}",
    "not": "must not have the form that the schema rules out",
    "oneOf": lambda asked: f"must have exactly one of {len(asked)} forms",
    "pattern": "must match the pattern {}",
    "type": _types,
    "unevaluatedItems": "has more items than are allowed",
    "unevaluatedProperties": "has a member that isn't allowed",
    "uniqueItems": "must not hold the same item twice",
}


# -- Keywords with several violations, or with one elsewhere ---------------------------
# Each yields (path below the error's, what the schema says about that path, detail).

_Several = Iterator[tuple[Path, Path, str]]


def _required(error: Any) -> _Several:
    """jsonschema reports each missing member separately, but names it only in its text."""
    missing = [name for name in error.validator_value if name not in error.instance]
    yield from (([name], ["properties", name], "is required") for name in missing)


def _dependent(error: Any) -> _Several:
    for given, others in error.validator_value.items():
        if given in error.instance and isinstance(others, list):
            missing = [other for other in others if other not in error.instance]
            yield from (([o], ["properties", o], f"is required if {_json(given)} is given") for o in missing)


def _unexpected(error: Any) -> _Several:
    """A member that the schema doesn't know (`runner.validation.diagnosis` puts its name into the
    text): the name comes from the sender, and only a harmless one is repeated."""
    if _HARMLESS.fullmatch(error.message):
        yield [error.message], [], "isn't allowed"
    else:
        yield [], [], "has a member that isn't allowed"


def _items(error: Any) -> _Several:
    allowed = len(error.schema.get("prefixItems", []))
    yield [], [], _bound("at most", "item")(allowed)


_SEVERAL: Mapping[str, Callable[[Any], _Several]] = {
    "additionalProperties": _unexpected,
    "dependentRequired": _dependent,
    "items": _items,
    "required": _required,
}
