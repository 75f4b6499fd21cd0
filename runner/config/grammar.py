"""A document against the grammar, `pipeline.schema.json`: what breaks it, in words.

The same file serves editors. Its `errorMessage`s are part of the sentences here, and of an
editor's. Left out: what the names in a pipeline refer to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema_rs

from runner.config.yaml.document import Document
from runner.errors import Trail
from runner.wording import did_you_mean, listed, nearest_name, printable, quoted, shown

FILE = Path(__file__).parent.parent / "pipeline.schema.json"

MOST_HINTS = 20
"""How many unknown keys of one mapping get a suggestion."""
_IF_VARIABLE = {"$ref": "#/$defs/variable"}
_ENTRIES = {"stages": "stage", "queues": "queue", "exchanges": "exchange"}
_TYPES = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """The grammar doesn't allow the value that `trail` leads to, or its key."""

    trail: Trail
    message: str
    key: bool = False
    usable: bool = False
    """Whether the value can still be read (a mapping with an unknown key, say)."""


@cache
def grammar() -> Mapping[str, Any]:
    """The grammar itself, a JSON Schema, for documents whose variables are replaced."""
    document: Mapping[str, Any] = _strict(json.loads(FILE.read_bytes()))
    return document


def _strict(schema: Any) -> Any:
    """Without the exceptions for texts with a variable: only editors and other validators need
    them, which see the file as it is written."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("if") == _IF_VARIABLE:
        schema = {key: value for key, value in schema.items() if key not in ("if", "else")} | schema["else"]
    return {key: _strict(value) for key, value in schema.items()}


@cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(dict(grammar()))


def subject(trail: Trail) -> str:
    """The name in a sentence of the value that `trail` leads to: `stage x: retry.delay`."""
    if trail[:2] == ("http", "routes") and len(trail) > 2:
        entry, rest = f"route {printable(str(trail[2]))}", trail[3:]
    elif trail and trail[0] in _ENTRIES and len(trail) > 1:
        entry, rest = f"{_ENTRIES[str(trail[0])]} {printable(str(trail[1]))}", trail[2:]
    else:
        entry, rest = "", trail
    below = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest).removeprefix(".")
    return ": ".join(part for part in (entry, below) if part) or "the file"


def breaches(document: Document) -> Iterator[Breach]:
    """Everything in `document` that the grammar doesn't allow; one breach per value."""
    seen: set[Trail] = set()
    for error in _validator().iter_errors(document.root.value):
        trail: Trail = tuple(error.instance_path)
        node = document.node(trail)
        if node is None or node.broken:
            continue
        for breach in _worded(error, trail):
            if breach.usable or breach.trail not in seen:
                seen.add(breach.trail)
                yield breach


def _worded(error: jsonschema_rs.ValidationError, trail: Trail) -> Iterator[Breach]:
    kind, schema = error.kind, _schema_at(error.schema_path[:-1])
    match kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties():
            for number, name in enumerate(kind.unexpected):
                hint = _key_hint(name, schema) if number < MOST_HINTS else ""
                message = f"{_inside(trail)}unknown key {quoted(name)}{hint}"
                yield Breach((*trail, name), message, key=True, usable=True)
        case jsonschema_rs.ValidationErrorKind.Required():
            if not _is_misspelt(kind.property, error.instance, schema):
                yield Breach(trail, f"{subject(trail)} needs the key {quoted(kind.property)}", key=True, usable=True)
        case jsonschema_rs.ValidationErrorKind.PropertyNames():
            name = str(kind.error.instance)
            asked = _schema_at(kind.error.schema_path[:-1])["errorMessage"]
            what = _ENTRIES.get(str(trail[0]), "route")
            yield Breach((*trail, name), f"{what} {quoted(name)} {asked}", key=True)
        case _:
            yield Breach(trail, f"{_sentence(error, trail, schema)}")


def _is_misspelt(key: str, given: Any, schema: Mapping[str, Any]) -> bool:
    """Whether an unknown key is reported already, with the hint that it was meant to be this one."""
    known = schema["properties"]
    unknown = islice((name for name in given if name not in known), MOST_HINTS)
    return any(key in (name.partition(":")[0], nearest_name(name, known)) for name in unknown)


def _schema_at(path: Sequence[str | int]) -> Mapping[str, Any]:
    schema: Any = grammar()
    for step in path:
        schema = schema[step]
    return schema  # type: ignore[no-any-return]


def _inside(trail: Trail) -> str:
    return f"{subject(trail)}: " if trail else ""


def _key_hint(name: str, schema: Mapping[str, Any]) -> str:
    known = list(schema["properties"])
    key, colon, rest = name.partition(":")
    if colon and key in known:
        return f" (a space is missing: write {quoted(f'{key}: {rest}')})"
    return did_you_mean(name, known) or f"; known here: {listed(known)}"


def _sentence(error: jsonschema_rs.ValidationError, trail: Trail, schema: Mapping[str, Any]) -> str:
    value = error.instance
    is_said = not trail or (trail[0] != "broker" and "secrets" not in trail)  # a broker's URL may hold a password
    begin = f"{subject(trail)} is {shown(value)}, but" if is_said else subject(trail)
    if isinstance(value, (list, dict)) and not value:
        begin = f"{subject(trail)} is empty, but"
    if error.kind.name == "enum":
        return f"{begin} must be {listed(schema['enum'], 'or')}{_near(value, schema['enum'])}"
    if "errorMessage" in schema:
        return f"{begin} {schema['errorMessage']}"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return f"{begin} must be {listed((_TYPES[one] for one in types if one != 'null'), 'or')}"


def _near(value: Any, known: Sequence[str]) -> str:
    return did_you_mean(value, known) if isinstance(value, str) else ""
