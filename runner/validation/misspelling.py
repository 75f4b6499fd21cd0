"""Parts of a JSON Schema that nothing checks, because a word is misspelt.

JSON Schema allows any keyword and any format. A validator silently ignores one that it
doesn't know, and lets in whatever the author meant to keep out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from runner.wording import did_you_mean, quoted

MOST_COMPARED = 1000
"""Unknown words of one document that are compared with those that are known."""


def misspelt_keywords(document: Any) -> Iterator[str]:
    """The unknown keywords of a schema that resemble known ones (of JSON Schema 2020-12 and the
    earlier drafts), each with that hint."""
    for keyword in islice(_unknown_keywords(document), MOST_COMPARED):
        if hint := did_you_mean(keyword, _KEYWORDS):
            yield quoted(keyword) + hint


def _unknown_keywords(document: Any) -> Iterator[str]:
    if not isinstance(document, dict):
        return
    for keyword, value in document.items():
        if keyword in HOLD_ONE:
            yield from _unknown_keywords(value)
        if keyword in HOLD_MANY and isinstance(value, list):
            yield from (found for schema in value for found in _unknown_keywords(schema))
        elif keyword in HOLD_NAMED and isinstance(value, dict):
            yield from (found for schema in value.values() for found in _unknown_keywords(schema))
        elif keyword not in _KEYWORDS:
            yield keyword


def misspelt_formats(document: Any) -> Iterator[str]:
    """The formats that a schema names, and that nothing checks, but whose names are
    nearly those of some that are checked; each with that hint. (Any name is allowed.)"""
    for name in islice(_unknown_formats(document), MOST_COMPARED):
        if hint := did_you_mean(name, _FORMATS):
            yield quoted(name) + hint


def _unknown_formats(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        name = document.get("format")
        if isinstance(name, str) and name not in _FORMATS:
            yield name
        yield from (found for member in document.values() for found in _unknown_formats(member))
    elif isinstance(document, list):
        yield from (found for item in document for found in _unknown_formats(item))


_FORMATS = (
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
)

HOLD_ONE = frozenset(
    [
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    ]
)
HOLD_MANY = frozenset(["allOf", "anyOf", "items", "oneOf", "prefixItems"])
HOLD_NAMED = frozenset(["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"])
_KEYWORDS = (
    HOLD_ONE
    | HOLD_MANY
    | HOLD_NAMED
    | frozenset(
        [
            "$anchor",
            "$comment",
            "$dynamicAnchor",
            "$dynamicRef",
            "$id",
            "$recursiveAnchor",
            "$recursiveRef",
            "$ref",
            "$schema",
            "$vocabulary",
            "const",
            "contentEncoding",
            "contentMediaType",
            "default",
            "dependentRequired",
            "deprecated",
            "description",
            "enum",
            "errorMessage",
            "examples",
            "exclusiveMaximum",
            "exclusiveMinimum",
            "format",
            "id",
            "maxContains",
            "maxItems",
            "maxLength",
            "maxProperties",
            "maximum",
            "minContains",
            "minItems",
            "minLength",
            "minProperties",
            "minimum",
            "multipleOf",
            "pattern",
            "readOnly",
            "required",
            "title",
            "type",
            "uniqueItems",
            "writeOnly",
            "x-forbidden",
            "x-sensitive",
        ]
    )
)
