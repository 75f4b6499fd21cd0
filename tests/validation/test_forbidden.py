"""A member that is marked x-forbidden passes by no branch of a schema, neither in a request nor on a queue."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from runner.sensitive import without_forbidden
from runner.validation.schema import Schema

CVV = {"properties": {"cvv": {"x-forbidden": True}}}
NUMBER = {"properties": {"number": {"type": "string", "x-sensitive": {"show": "last4"}}}}
BRANCHES = [
    {"anyOf": [{**CVV, "required": ["card"]}, {"required": ["token"]}]},
    {"oneOf": [{**CVV, "required": ["card"]}, {"required": ["token"]}]},
    {"if": {"required": ["card"]}, "then": CVV},
    {"if": {"required": ["token"]}, "else": CVV},
    {"if": CVV, "then": True},
    {"dependentSchemas": {"card": CVV}},
    {"anyOf": [{"$ref": "#/$defs/card"}, True], "$defs": {"card": CVV}},
    {"allOf": [{"anyOf": [CVV, True]}]},
]


@pytest.mark.parametrize("document", BRANCHES, ids=str)
@pytest.mark.parametrize("marked", [{}, NUMBER], ids=["alone", "sealed"])
def test_another_branch_does_not_let_it_in(document: dict[str, Any], marked: dict[str, Any]) -> None:
    schema = Schema({**document, **marked})
    for judge in (schema, schema.resting):
        assert judge.is_valid({"token": "tok_1138"})
        assert not judge.is_valid({"token": "tok_1138", "cvv": "123"})
        assert [str(one) for one in judge.violations({"token": "tok_1138", "cvv": "123"})] == ["/cvv isn't allowed"]


def test_it_is_found_in_lists_and_below_other_members() -> None:
    schema = Schema({"properties": {"cards": {"contains": CVV}, "more": {"anyOf": [{"items": CVV}, True]}}})
    assert schema.is_valid({"cards": [{"a": 1}], "more": [{}]})
    refused = schema.violations({"cards": [{"a": 1}, {"cvv": 1}], "more": [{"cvv": None}]})
    assert sorted(map(str, refused)) == ["/cards/1/cvv isn't allowed", "/more/0/cvv isn't allowed"]


def test_a_name_that_its_sender_has_chosen_is_not_repeated() -> None:
    schema = Schema({"anyOf": [{"patternProperties": {"^4": {"x-forbidden": True}}}, True]})
    assert list(map(str, schema.violations({"4111111111111111": 1}))) == ["the body has a member that isn't allowed"]


def test_other_violations_are_told_as_well() -> None:
    schema = Schema({"properties": {"amount": {"type": "integer"}}, "anyOf": [CVV, True]})
    told = {str(one) for one in schema.violations({"amount": "1", "cvv": "123"})}
    assert told == {"/cvv isn't allowed", "/amount must be an integer"}


def test_one_that_is_referred_to_by_its_name_is_forbidden() -> None:
    named = {"never": {"$anchor": "never", "x-forbidden": True}}
    schema = Schema({"properties": {"cvv": {"$ref": "#never"}}, "$defs": named})
    assert schema.is_valid({})
    assert not schema.is_valid({"cvv": "123"})


def test_it_is_removed_from_a_body_that_has_to_be_kept() -> None:
    schema = Schema({"anyOf": [CVV, True]})
    assert schema.marks is not None
    assert orjson.loads(without_forbidden(b'{"cvv": "123", "a": 1}', schema.marks)) == {"a": 1}
