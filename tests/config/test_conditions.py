"""A route's `when` in words."""

from __future__ import annotations

from typing import Any

import pytest

from runner.config.conditions import condensed


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (None, ""),
        (True, ""),
        (False, "never"),
        ({"required": ["a", "b"]}, "has a and has b"),
        ({"properties": {"a": {"const": "x"}}, "required": ["a"]}, "a = x"),
        ({"properties": {"a": {"enum": ["x", "1"]}}, "required": ["a", "b"]}, 'a in [x, "1"] and has b'),
        ({"properties": {"n": {"minimum": 1, "exclusiveMaximum": 9}}, "type": "object"}, "n ≥ 1 and n < 9"),
        ({"$id": "file:///x", "$ref": "late.json"}, "is valid under late.json"),
        ({"not": {"required": ["a"]}}, "{not: {required: [a]}}"),
        ({"properties": {"a": {"pattern": "^x"}}, "required": ["a"]}, '{properties: {a: {pattern: "^x"}}, required…'),
        ({"type": "object"}, "{}"),
    ],
)
def test_a_condition_is_said_as_short_as_it_can_be(when: Any, text: str) -> None:
    assert condensed(when) == text
