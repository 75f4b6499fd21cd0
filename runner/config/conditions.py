"""A route's `when` in words, for a drawing: `has refusal`, `amount ≥ 100`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runner.config.yaml.writer import inline
from runner.pipeline import JsonSchema

_LONGEST_LABEL = 44
"""Characters; the rest of a longer condition is left out."""


def condensed(when: JsonSchema | None) -> str:
    """A `when` in as few words as possible: `has refusal`, `amount ≥ 100`."""
    if when is None or when is True:
        return ""
    if when is False:
        return "never"
    told = {keyword: asked for keyword, asked in when.items() if keyword not in _SAYS_NOTHING}
    phrases = list(_phrases(told))
    text = inline(told) if None in phrases or not phrases else " and ".join(phrases)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


_SAYS_NOTHING = ("$id", "$schema", "description", "title", "type")


def _phrases(when: Mapping[str, Any]) -> Iterator[Any]:
    """None for each part that has no short form."""
    compared = when.get("properties", {})
    for keyword, asked in when.items():
        if keyword == "required":
            yield from (f"has {name}" for name in asked if name not in compared)
        elif keyword == "properties":
            for name, schema in asked.items():
                yield from (_comparison(name, one, value) for one, value in _members(schema))
        else:
            yield f"is valid under {asked}" if keyword == "$ref" else None


def _members(schema: Any) -> Iterable[tuple[str, Any]]:
    return schema.items() if isinstance(schema, dict) else [("", schema)]


def _comparison(name: str, keyword: str, asked: Any) -> str | None:
    signs = {"const": "=", "minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    if keyword in signs:
        return f"{name} {signs[keyword]} {inline(asked)}"
    return f"{name} in {inline(asked)}" if keyword == "enum" else None
