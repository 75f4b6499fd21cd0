"""The validator that finds the violations judges like the one that gives the verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from runner.validation import violations
from runner.validation.schema import Schema
from tests.validation.anything import BODIES, SCHEMAS

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
# Each: a schema, bodies that keep it, bodies that break it.
CASES: list[tuple[Any, list[Any], list[Any]]] = [
    (True, [None, 0, "x", [], {}], []),
    (False, [], [None, 0, "x", [], {}]),
    ({}, [None, 1.5, "x", [1], {"a": 1}], []),
    # types
    ({"type": "string"}, ["", "x"], [1, None, True, [], {}]),
    ({"type": "integer"}, [0, -1, 1.0, 2**70], [1.5, "1", True, None]),
    ({"type": "number"}, [0, 1.5, -1e300], ["1", True, None]),
    ({"type": "boolean"}, [True, False], [0, 1, "true", None]),
    ({"type": "null"}, [None], [0, False, "", [], {}]),
    ({"type": "array"}, [[], [1]], [{}, "[]"]),
    ({"type": "object"}, [{}, {"a": 1}], [[], "{}"]),
    ({"type": ["string", "null"]}, ["x", None], [0, []]),
    # any value
    ({"enum": [1, "a", None, [1], {"a": 1}]}, [1, 1.0, "a", None, [1], {"a": 1}], [2, "b", [2], {"a": 2}, True, []]),
    ({"enum": [True]}, [True], [1, "true"]),
    ({"enum": [[False]]}, [[False]], [[0], []]),
    ({"const": 0}, [0, 0.0, -0.0], [False, "0", None]),
    ({"const": False}, [False], [0, 0.0, None]),
    ({"const": {"a": [1, 2]}}, [{"a": [1, 2]}], [{"a": [2, 1]}, {"a": [1, 2], "b": 0}]),
    ({"const": None}, [None], [0, "", False]),
    # numbers
    ({"minimum": 1.5}, [1.5, 2, "x"], [1.4, -1]),
    ({"maximum": 3}, [3, 3.0, [4]], [3.1, 4]),
    ({"exclusiveMinimum": 0}, [0.1, 1], [0, -1]),
    ({"exclusiveMaximum": 0}, [-0.1], [0, 1]),
    ({"multipleOf": 2}, [4, 0, -2, "3"], [3, 1.5]),
    ({"multipleOf": 0.5}, [1.5, 2], [1.3]),
    ({"multipleOf": 0.01}, [4.02, 0.07, 19.99], [0.075]),
    # texts
    ({"minLength": 2}, ["ab", "äö", "💩💩", 1], ["a", "💩", ""]),
    ({"maxLength": 2}, ["ab", "💩💩", [1, 2, 3]], ["abc"]),
    ({"pattern": "^a+$"}, ["aa", 5], ["b", "aab", "aa\n"]),
    ({"pattern": "b"}, ["abc"], ["ac"]),
    ({"pattern": r"^\d+$"}, ["12"], ["١٢", "1a"]),
    ({"pattern": r"^\p{Lu}"}, ["Ärger"], ["ärger"]),
    ({"pattern": r"^\S+$"}, ["ab"], ["a b", ""]),
    # lists
    ({"minItems": 1}, [[1], {}], [[]]),
    ({"maxItems": 1}, [[], [1]], [[1, 2]]),
    ({"uniqueItems": True}, [[1, 2], [1, True], [0, False], [{"a": 1}, {"a": 2}]], [[1, 1.0], [[1], [1]], ["a", "a"]]),
    ({"uniqueItems": False}, [[1, 1]], []),
    ({"items": {"type": "integer"}}, [[], [1, 2], "x"], [["1"], [1, None]]),
    ({"items": False}, [[]], [[1]]),
    ({"prefixItems": [{"type": "integer"}, {"type": "string"}]}, [[], [1], [1, "a", None]], [["a"], [1, 2]]),
    ({"prefixItems": [{"type": "integer"}], "items": False}, [[1], []], [[1, 2]]),
    ({"contains": {"const": 1}}, [[1], [2, 1]], [[], [2]]),
    ({"contains": {"const": 1}, "minContains": 2}, [[1, 1]], [[1], []]),
    ({"contains": {"const": 1}, "maxContains": 1}, [[1, 2]], [[1, 1], []]),
    ({"contains": {"const": 1}, "minContains": 0}, [[], [2]], []),
    ({"prefixItems": [True], "unevaluatedItems": False}, [[1], []], [[1, 2]]),
    # objects
    ({"properties": {"a": {"type": "integer"}}}, [{}, {"a": 1}, {"b": "x"}, []], [{"a": "1"}]),
    ({"properties": {"a": False}}, [{}, {"b": 1}], [{"a": 1}]),
    ({"required": ["a"]}, [{"a": None}, []], [{}, {"b": 1}]),
    ({"required": []}, [{}], []),
    ({"additionalProperties": False, "properties": {"a": True}}, [{}, {"a": 1}], [{"b": 1}]),
    ({"additionalProperties": {"type": "integer"}}, [{"x": 1}], [{"x": "1"}]),
    ({"patternProperties": {r"^\d+$": {"type": "integer"}}}, [{"12": 1, "x": "y"}, {"١": "x"}], [{"12": "x"}]),
    ({"patternProperties": {"^a": True}, "additionalProperties": False}, [{"ab": 1}], [{"ba": 1}]),
    ({"propertyNames": {"maxLength": 2}}, [{"ab": 1}, {}], [{"abc": 1}]),
    ({"minProperties": 1}, [{"a": 1}, []], [{}]),
    ({"maxProperties": 1}, [{}, {"a": 1}], [{"a": 1, "b": 2}]),
    ({"dependentRequired": {"a": ["b"]}}, [{}, {"b": 1}, {"a": 1, "b": 2}], [{"a": 1}]),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, [{}, {"a": 1, "b": 2}], [{"a": 1}]),
    ({"properties": {"a": True}, "unevaluatedProperties": False}, [{"a": 1}], [{"b": 1}]),
    ({"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False}, [{"a": 1}], [{"a": 1, "b": 1}]),
    # combinations
    ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, [1, 2], [0, 3]),
    ({"anyOf": [{"type": "integer"}, {"minLength": 2}]}, [1, "ab"], ["a"]),
    ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5, "x"], [3, 1.5]),
    ({"not": {"type": "integer"}}, ["1", None], [1]),
    ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, [{"a": 1, "b": 1}, {}], [{"a": 1}]),
    ({"if": {"required": ["a"]}, "else": {"required": ["c"]}}, [{"a": 1}, {"c": 1}], [{}]),
    # references
    ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, [1], ["1"]),
    ({"properties": {"a": {"$ref": "#"}}, "maxProperties": 1}, [{"a": {"a": {}}}], [{"a": {"a": 1, "b": 2}}]),
    ({"$ref": "#n", "$defs": {"x": {"$anchor": "n", "type": "integer"}}}, [1], ["1"]),
    ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}}, [1], ["1"]),
    # older drafts, where the schema names one
    ({"$schema": DRAFT_7, "items": [{"type": "integer"}], "additionalItems": False}, [[1]], [["1"], [1, 2]]),
    ({"$schema": DRAFT_7, "dependencies": {"a": ["b"]}}, [{"b": 1}], [{"a": 1}]),
    ({"$schema": DRAFT_4, "minimum": 1, "exclusiveMinimum": True}, [2], [1]),
    # formats
    ({"format": "date"}, ["2024-02-29", 5], ["2023-02-29", "24-01-01", "2024-1-1"]),
    ({"format": "date-time"}, ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5+01:00"], ["2024-01-01"]),
    ({"format": "time"}, ["23:59:59Z"], ["25:00:00Z", "12:00"]),
    ({"format": "duration"}, ["P1D", "PT1H30M"], ["1h", "P"]),
    ({"format": "email"}, ["a@b.example", "a+b@example.com"], ["a", "@b", "a@", "a b@c.example"]),
    ({"format": "hostname"}, ["example.com"], ["-x", "a..b"]),
    ({"format": "ipv4"}, ["127.0.0.1"], ["256.0.0.1", "1.2.3"]),
    ({"format": "ipv6"}, ["::1"], ["::g", "1.2.3.4"]),
    ({"format": "uri"}, ["https://a.example/b?c#d"], ["a/b", "https://a b"]),
    ({"format": "uri-reference"}, ["a/b", "#x"], ["\\\\x"]),
    ({"format": "uuid"}, ["2eb8aa08-aa98-11ea-b4aa-73b441d16380"], ["2eb8aa08", "x"]),
    ({"format": "json-pointer"}, ["", "/a/~0"], ["a", "/~2"]),
    ({"format": "regex"}, ["^a$"], ["("]),
    ({"format": "made-up"}, ["anything", 5], []),
]  # fmt: skip


def bodies(validity: str) -> list[Any]:
    place = 1 if validity == "valid" else 2
    return [pytest.param(case[0], body, id=f"{json.dumps(case[0])}-{body!r}") for case in CASES for body in case[place]]


@pytest.mark.parametrize(("schema", "body"), bodies("valid"))
def test_a_body_that_keeps_the_schema_has_no_violation_for_either_validator(schema: Any, body: Any) -> None:
    compiled = Schema(schema)
    assert compiled.is_valid(body)
    assert compiled.violations(body) == ()
    assert violations.explain(compiled._diagnostic, body) == ()


@pytest.mark.parametrize(("schema", "body"), bodies("broken"))
def test_a_body_that_breaks_the_schema_is_refused_and_explained_by_both(schema: Any, body: Any) -> None:
    compiled = Schema(schema)
    assert not compiled.is_valid(body)
    assert compiled.violations(body) == violations.explain(compiled._diagnostic, body) != ()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCHEMAS, BODIES)
def test_both_validators_agree_on_anything(schema: Any, body: Any) -> None:
    compiled = Schema(schema)
    assert (violations.explain(compiled._diagnostic, body) == ()) == compiled.is_valid(body)


@pytest.mark.parametrize("dialect", [{}, {"$schema": "https://json-schema.org/draft/2020-12/schema"}])
def test_a_schema_that_names_its_dialect_has_the_same_words(tmp_path: Path, dialect: dict[str, str]) -> None:
    schema = {
        "type": "object",
        "required": ["user"],
        "properties": {"user": {"type": "string", "format": "email", "maxLength": 5}},
        "additionalProperties": False,
    }
    (tmp_path / "payment.json").write_text(json.dumps(dialect | schema))
    (tmp_path / "outer.json").write_text(json.dumps(dialect | {"properties": {"in": {"$ref": "payment.json"}}}))
    body = {"user": "nobody", "cvv": "123"}
    words = [
        "/user must have at most 5 characters",
        "/user must be an e-mail address",
        "/cvv isn't allowed",
    ]
    assert sorted(map(str, Schema.load(tmp_path / "payment.json").violations(body))) == sorted(words)
    nested = Schema.load(tmp_path / "outer.json").violations({"in": body})
    assert sorted(map(str, nested)) == sorted(f"/in{word}" for word in words)
