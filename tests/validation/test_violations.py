"""What the sender of a body that breaks its schema learns."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.validation.schema import Schema
from runner.validation.violations import Violation
from tests.validation.anything import CARD, SCHEMAS

PAYMENT = {
    "type": "object",
    "required": ["user", "paymentType", "cardNo"],
    "additionalProperties": False,
    "properties": {
        "user": {"type": "string", "format": "email"},
        "paymentType": {"enum": ["Credit Card", "Debit Card"]},
        "cardNo": {"type": "string", "pattern": "^[0-9]{12,19}$"},
        "cvv": False,
        "amount": {"type": "integer", "minimum": 1},
        "lines": {"type": "array", "items": {"type": "object", "required": ["line 1/2"]}, "maxItems": 2},
    },
}
GOOD = {"user": "a@b.example", "paymentType": "Credit Card", "cardNo": CARD}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"user": "nobody"}, [("/user", "must be an e-mail address")]),
        ({"user": 5}, [("/user", "must be a string")]),
        ({"paymentType": "Cash"}, [("/paymentType", 'must be one of "Credit Card" or "Debit Card"')]),
        ({"cardNo": "4111-1111"}, [("/cardNo", "must match the pattern ^[0-9]{12,19}$")]),
        ({"cvv": "123"}, [("/cvv", "isn't allowed")]),
        ({"amount": 0}, [("/amount", "must be at least 1")]),
        ({"amount": "5"}, [("/amount", "must be an integer")]),
        ({"colour": "red"}, [("/colour", "isn't allowed")]),
        ({CARD: "red"}, [("", "has a member that isn't allowed")]),
        ({"lines": [{"line 1/2": 1}, {}]}, [("/lines/1/line 1~12", "is required")]),
        ({"lines": [{"line 1/2": 1}] * 3}, [("/lines", "must have at most 2 items")]),
        ({"user": 1, "amount": 0}, [("/user", "must be a string"), ("/amount", "must be at least 1")]),
    ],
)
def test_each_violation_is_reported_with_its_pointer(change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert Schema(PAYMENT).violations({**GOOD, **change}) == tuple(Violation(*violation) for violation in expected)


@pytest.mark.parametrize(
    ("schema", "body", "expected"),
    [
        ({"not": {"pattern": "[0-9]"}, "errorMessage": "must not have digits"}, "1", ["must not have digits"]),
        ({"minLength": 3, "pattern": "^[a-z]*$", "errorMessage": "must be a code"}, "1", ["must be a code"]),
        (
            {"minLength": 3, "pattern": "^[a-z]*$", "errorMessage": {"pattern": "must be in small letters"}},
            "1",
            ["must have at least 3 characters", "must be in small letters"],
        ),
        ({"minLength": 3, "errorMessage": {"pattern": "is odd"}}, "1", ["must have at least 3 characters"]),
        ({"minLength": 3, "errorMessage": 5}, "1", ["must have at least 3 characters"]),
        (
            {"anyOf": [{"minLength": 3}, {"const": "-"}], "errorMessage": "must be a name, or -"},
            "1",
            ["must be a name, or -"],
        ),
        ({"required": ["a"], "errorMessage": {"required": "needs an 'a'"}}, {}, ["needs an 'a'"]),
        ({"properties": {"a": False}, "errorMessage": "must be empty"}, {"a": 1}, ["isn't allowed"]),
    ],
)
def test_a_schemas_author_may_say_what_is_wrong(schema: dict[str, Any], body: Any, expected: list[str]) -> None:
    assert [violation.detail for violation in Schema(schema).violations(body)] == expected


def test_each_missing_member_is_named() -> None:
    assert [violation.pointer for violation in Schema(PAYMENT).violations({})] == ["/user", "/paymentType", "/cardNo"]


@pytest.mark.parametrize(
    ("schema", "body", "expected"),
    [
        ({"type": ["string", "null"]}, 1, " must be a string or null"),
        ({"const": "EUR"}, "USD", ' must be "EUR"'),
        ({"enum": ["only"]}, 1, ' must be "only"'),
        ({"enum": list(range(13))}, 99, " must be one of the 13 values that the schema lists"),
        ({"const": "x" * 90}, 1, " must be the value that the schema names"),
        ({"minLength": 1}, "", " must have at least 1 character"),
        ({"format": "hostname"}, "a..b", " must have the format 'hostname'"),
        ({"items": False, "prefixItems": [True]}, [1, 2], " must have at most 1 item"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, '/b is required if "a" is given'),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, " has a member whose name isn't allowed"),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, "/a must be a string"),
        ({"additionalProperties": {"type": "string"}}, {"a1": 1}, " has a member that must be a string"),
        ({"not": {"type": "string"}}, "", " must not have the form that the schema rules out"),
        (False, 1, " isn't allowed"),
    ],
)
def test_a_violation_says_what_the_schema_asks_for(schema: Any, body: Any, expected: str) -> None:
    [violation] = Schema(schema).violations(body)
    assert (
        f"{violation.pointer} {violation.detail}" == expected
        if expected[0] == "/"
        else f" {violation.detail}" == expected
    )


def test_of_several_forms_the_one_that_was_meant_is_explained() -> None:
    card = {"properties": {"by": {"const": "card"}, "number": {"type": "string"}}, "required": ["by", "number"]}
    debit = {"properties": {"by": {"const": "debit"}, "iban": {"type": "string"}}, "required": ["by", "iban"]}
    schema = Schema({"oneOf": [card, debit]})
    assert schema.violations({"by": "debit"}) == (Violation("/iban", "is required"),)
    assert schema.violations({"by": "cash"}) == (Violation("", "must have exactly one of 2 forms"),)


def test_a_value_of_the_wrong_type_is_reported_as_only_that() -> None:
    schema = Schema({"properties": {"n": {"type": "string", "minLength": 3, "not": {"const": 1}, "enum": ["abc"]}}})
    assert list(map(str, schema.violations({"n": 1}))) == ["/n must be a string"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCHEMAS, st.just(CARD) | st.lists(st.just(CARD)) | st.dictionaries(st.just(CARD), st.just(CARD)))
def test_what_was_sent_is_never_repeated(schema: Any, body: Any) -> None:
    if CARD not in json.dumps(schema):
        assert all(CARD not in str(violation) for violation in Schema(schema).violations(body))
