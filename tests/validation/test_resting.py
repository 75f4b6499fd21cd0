"""A sealed body is judged as its values were before they were sealed, without the keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.validation.schema import Schema

TOKEN = "sealed.1.a1b2c3d4.n.c.····1111"
VISA = {"type": "string", "pattern": "^4[0-9]{15}$", "x-sensitive": {"show": "last4"}}
NUMBER = "4111111111111111"
OLD = {"minLength": 17}


def judged(document: Any, plain: Any, sealed: Any) -> tuple[bool, bool]:
    """The verdict on a body before and after it was sealed."""
    schema = Schema(document)
    return schema.is_valid(plain), schema.resting.is_valid(sealed)


@pytest.mark.parametrize(
    "document",
    [
        {"properties": {"card": VISA}},
        {"properties": {"card": {"$ref": "#/$defs/card"}}, "$defs": {"card": VISA}},
        {"properties": {"card": VISA}, "allOf": [{"properties": {"card": {"maxLength": 16}}}]},
        {"properties": {"card": VISA}, "if": {"properties": {"card": {"pattern": "^5"}}}, "then": {"required": ["x"]}},
        {"properties": {"card": VISA}, "if": {"properties": {"card": {"pattern": "^4"}}}, "else": {"required": ["x"]}},
        {"properties": {"card": VISA}, "not": {"properties": {"card": {"pattern": "^5"}}}},
        {"oneOf": [{"properties": {"card": VISA}}, {"properties": {"card": {"pattern": "^5"}}}]},
        {"properties": {"card": VISA}, "not": {"$ref": "#/$defs/x"}, "$defs": {"x": {"properties": {"card": OLD}}}},
        {"properties": {"card": {"allOf": [VISA, {"type": "string"}]}}},
        {"properties": {"card": VISA}, "unevaluatedProperties": False},
    ],
    ids=str,
)  # fmt: skip
def test_what_was_valid_stays_so(document: Any) -> None:
    assert judged(document, {"card": NUMBER}, {"card": TOKEN}) == (True, True)


def test_items_of_a_list_stay_valid() -> None:
    cards = {"items": {"properties": {"number": VISA}, "required": ["number"]}, "uniqueItems": True}
    counted = {"contains": {"properties": {"number": {"pattern": "^41"}}}, "maxContains": 1}
    plain = [{"number": NUMBER}, {"number": "4222222222222222"}]
    sealed = [{"number": TOKEN}, {"number": TOKEN + "2"}]
    assert judged({"properties": {"cards": {**cards, **counted}}}, {"cards": plain}, {"cards": sealed}) == (True, True)


@pytest.mark.parametrize(
    "changes",
    [{"amount": "1"}, {"amount": None}, {"surprise": 1}, {"house": {"number": "x"}}],
)
def test_everything_else_is_judged_as_before(changes: dict[str, Any]) -> None:
    document = {
        "properties": {
            "card": {"properties": {"number": VISA}},
            "house": {"properties": {"number": {"type": "integer"}}},
            "amount": {"type": "integer"},
        },
        "required": ["amount"],
        "additionalProperties": False,
    }
    body = {"card": {"number": TOKEN}, "house": {"number": 7}, "amount": 1}
    assert Schema(document).resting.is_valid(body)
    assert not Schema(document).resting.is_valid(body | changes)


def test_a_condition_on_something_else_still_holds() -> None:
    document = {
        "properties": {"card": VISA, "kind": {}},
        "oneOf": [{"properties": {"kind": {"const": "a"}}}, {"properties": {"kind": {"const": "b"}}}],
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["card"]},
    }
    resting = Schema(document).resting
    assert resting.is_valid({"kind": "a", "card": TOKEN})
    assert not resting.is_valid({"kind": "a"})
    assert not resting.is_valid({"kind": "c"})


def test_a_body_at_rest_must_not_have_a_forbidden_member_either(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(json.dumps({"properties": {"number": VISA, "cvv": {"x-forbidden": True}}}))
    (tmp_path / "payment.json").write_text('{"properties": {"card": {"$ref": "card.json"}}}')
    schema = Schema.load(tmp_path / "payment.json")
    assert schema.resting.is_valid({"card": {"number": TOKEN}})
    assert not schema.resting.is_valid({"card": {"number": TOKEN, "cvv": "123"}})
    assert str(schema.resting.violations({"card": {"cvv": "123"}})[0]) == "/card/cvv isn't allowed"


def test_a_schema_without_marks_rests_on_itself() -> None:
    schema = Schema({"type": "object"})
    assert schema.resting is schema
