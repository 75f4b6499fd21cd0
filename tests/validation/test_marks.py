"""What a schema marks is found wherever the mark stands, and whatever leads to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.validation.marks import Place, is_sensitive, sensitive_fields, union
from runner.validation.schema import Schema, SchemaError

LAST4 = {"type": "string", "x-sensitive": {"show": "last4"}}
DRAFT_2019, DRAFT_7 = "https://json-schema.org/draft/2019-09/schema", "http://json-schema.org/draft-07/schema#"
CARD = {"properties": {"number": LAST4}}


def show(document: Any, *trail: str | int) -> str | None:
    marks = Schema(document).marks
    place = marks.at(trail) if marks is not None else None
    return place.show if place is not None else None


def test_a_schema_without_marks_has_none() -> None:
    assert Schema({"properties": {"a": {"type": "string"}}}).marks is None
    assert Schema(True).marks is None
    assert Schema({"const": "x-sensitive"}).marks is None


@pytest.mark.parametrize(
    ("document", "trail"),
    [
        ({"properties": {"card": CARD}}, ["card", "number"]),
        ({"properties": {"cards": {"items": CARD}}}, ["cards", 3, "number"]),
        ({"properties": {"cards": {"prefixItems": [CARD]}}}, ["cards", 0, "number"]),
        ({"items": LAST4}, [0]),
        ({"additionalProperties": LAST4}, ["anything"]),
        ({"patternProperties": {"^card": LAST4}}, ["cardNo"]),
        ({"allOf": [{"properties": {"a": LAST4}}]}, ["a"]),
        ({"oneOf": [{"properties": {"a": LAST4}}, {"required": ["b"]}]}, ["a"]),
        ({"if": {"required": ["a"]}, "then": {"properties": {"a": LAST4}}}, ["a"]),
        ({"dependentSchemas": {"b": {"properties": {"a": LAST4}}}}, ["a"]),
        ({"properties": {"a": {"$ref": "#/$defs/card"}}, "$defs": {"card": LAST4}}, ["a"]),
        ({"properties": {"a": {"$ref": "#card"}}, "$defs": {"card": {"$anchor": "card", **LAST4}}}, ["a"]),
        ({"properties": {"a": {"$dynamicRef": "#x"}}, "$defs": {"c": {"$dynamicAnchor": "x", **LAST4}}}, ["a"]),
        ({"$schema": DRAFT_2019, "properties": {"a": LAST4, "next": {"$recursiveRef": "#"}}}, ["next", "a"]),
        ({"$schema": DRAFT_7, "dependencies": {"b": {"properties": {"a": LAST4}}}}, ["a"]),
        ({"properties": {"a": {"$ref": "c"}}, "$defs": {"x": {"$id": "c", **LAST4}}}, ["a"]),
        ({"properties": {"a": LAST4, "next": {"$ref": "#"}}}, ["next", "next", "a"]),
        ({"properties": {"a~/b": {"$ref": "#/$defs/a~0~1b"}}, "$defs": {"a~/b": LAST4}}, ["a~/b"]),
    ],
)
def test_a_mark_is_found(document: Any, trail: list[str | int]) -> None:
    assert show(document, *trail) == "last4"
    assert show(document, "elsewhere", "x") is None


def test_a_mark_in_another_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(json.dumps({"$defs": {"number": LAST4}}))
    (tmp_path / "payment.json").write_text(json.dumps({"properties": {"a": {"$ref": "card.json#/$defs/number"}}}))
    schema = Schema.load(tmp_path / "payment.json")
    assert schema.marks is not None
    assert list(sensitive_fields(schema.marks)) == ["a"]


def test_members_that_a_pattern_or_a_name_covers_are_no_others() -> None:
    document = {"properties": {"a": {}}, "patternProperties": {"^b": {}}, "additionalProperties": LAST4}
    assert [show(document, name) for name in ("a", "b1", "c")] == [None, None, "last4"]


def test_members_without_a_name_in_the_schema_are_looked_up_once_for_all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body may have thousands, and every other request waits meanwhile."""
    looked_up = list[str]()

    def look_up(place: Place, name: str, before: Any = Place._for_name) -> Any:
        looked_up.append(name)
        return before(place, name)

    monkeypatch.setattr(Place, "_for_name", look_up)
    patterns = {"^card": LAST4, "2$": {"type": "string"}}
    marks = Schema({"patternProperties": patterns, "additionalProperties": CARD}).marks
    assert marks is not None
    for number in range(1000):
        card, note = marks.member(f"card{number}"), marks.member(f"note{number}")
        assert card is not None
        assert (card.show, note is None) == ("last4", number % 10 == 2)
    assert [name for name in looked_up if name != "number"] == ["card0", "note0", "card2", "note2"]


PAIR = {"prefixItems": [LAST4, {"type": "integer"}]}
OLD_PAIR = {"$schema": DRAFT_7, "items": [LAST4, {"type": "integer"}]}


@pytest.mark.parametrize(
    ("document", "shows"),
    [
        (PAIR, ["last4", None, None]),
        ({**PAIR, "items": LAST4}, ["last4", None, "last4"]),
        ({"prefixItems": [{}], "items": LAST4}, [None, "last4", "last4"]),
        ({"prefixItems": [{}], "unevaluatedItems": LAST4}, [None, "last4", "last4"]),
        ({**PAIR, "contains": LAST4}, ["last4", "last4", "last4"]),
        ({"allOf": [PAIR, {"prefixItems": [{}, {}, LAST4]}]}, ["last4", None, "last4"]),
        ({"allOf": [PAIR, {"items": {}}]}, ["last4", None, None]),
        (OLD_PAIR, ["last4", None, None]),
        ({**OLD_PAIR, "additionalItems": LAST4}, ["last4", None, "last4"]),
        ({"$schema": DRAFT_7, "items": LAST4, "prefixItems": [{}]}, ["last4", "last4", "last4"]),
        ({"$schema": DRAFT_2019, "items": LAST4, "prefixItems": [{}]}, ["last4", "last4", "last4"]),
    ],
    ids=str,
)
def test_items_that_are_named_one_by_one_are_marked_so(document: Any, shows: list[str | None]) -> None:
    assert [show(document, index) for index in range(3)] == shows


def test_fields_in_items_of_all_places_are_known() -> None:
    marks = Schema({"properties": {"pair": {"prefixItems": [{}, CARD], "items": {"properties": {"pin": LAST4}}}}}).marks
    assert marks is not None
    assert list(sensitive_fields(marks)) == ["pair.number", "pair.pin"]
    assert is_sensitive(marks, "pair.number")
    assert is_sensitive(marks, "pair.pin")


def test_of_several_marks_the_one_that_shows_the_least_holds() -> None:
    hidden = {"x-sensitive": {"show": "hidden"}}
    assert show({"properties": {"a": LAST4}, "anyOf": [{"properties": {"a": hidden}}]}, "a") == "hidden"


def test_fields_are_named_without_the_indexes_of_lists() -> None:
    marks = Schema({"properties": {"cards": {"items": CARD}, "pin": LAST4}}).marks
    assert marks is not None
    assert list(sensitive_fields(marks)) == ["cards.number", "pin"]
    assert is_sensitive(marks, "cards.number")
    assert not is_sensitive(marks, "cards")
    assert not is_sensitive(marks, "number")


def test_a_name_may_have_a_dot_in_it() -> None:
    marks = Schema({"properties": {"card.no": LAST4, "a.b": {"properties": {"c.d": LAST4}}}}).marks
    assert marks is not None
    assert list(sensitive_fields(marks)) == ["card.no", "a.b.c.d"]
    assert all(is_sensitive(marks, field) for field in sensitive_fields(marks))
    assert not any(is_sensitive(marks, field) for field in ("card", "no", "a.b", "c.d", "a.b.c"))


def test_the_union_of_schemas_has_the_marks_of_all() -> None:
    both = union(Schema(one).marks for one in ({"properties": {"a": LAST4}}, {"properties": {"b": LAST4}}, {}))
    assert both is not None
    assert sorted(sensitive_fields(both)) == ["a", "b"]
    assert union([None, None]) is None


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"properties": {"a": {"x-sensitive": True}}}, 'has x-sensitive true, which must be {"show": "last4"}'),
        ({"properties": {"a": {"x-sensitive": {"show": "last5"}}}}, "did you mean 'last4'?"),
        ({"properties": {"a": {"x-sensitive": {"show": "last4", "x": 1}}}}, "which must be"),
        ({"properties": {"a": {"x-forbidden": "yes"}}}, "has x-forbidden 'yes', which must be true or false"),
        ({"x-sensitive": {"show": "last4"}}, "marks the whole body"),
        (
            {"properties": {"pin": {"type": "integer", "x-sensitive": {"show": "hidden"}}}},
            "marks x-sensitive what must be of the type integer, but only strings can be sealed; make it a string",
        ),
        (
            {"properties": {"a": {**CARD, "type": ["object", "null"], "x-sensitive": {"show": "hidden"}}}},
            "object or null",
        ),
        ({"propertyNames": {"x-sensitive": {"show": "hidden"}}}, "marks propertyNames x-sensitive or x-forbidden"),
        ({"properties": {"a": {"contentSchema": {"x-forbidden": True}}}}, "nothing can be sealed; mark values"),
    ],
)
def test_a_mark_that_is_written_wrong_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(SchemaError) as refused:
        Schema(document)
    assert reason in str(refused.value)


# -- x-forbidden ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["123", None, 0, {}])
def test_a_forbidden_member_is_refused_by_its_name_and_never_by_its_value(value: object) -> None:
    schema = Schema({"properties": {"cvv": {"x-forbidden": True}}})
    assert schema.is_valid({})
    assert [str(violation) for violation in schema.violations({"cvv": value})] == ["/cvv isn't allowed"]


def test_forbidden_members_may_be_named_by_a_pattern_and_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "never.json").write_text('{"$defs": {"never": {"x-forbidden": true}}}')
    document = {"patternProperties": {"^cv[vc]$": {"x-forbidden": True}}, "properties": {"pin": {"$ref": "N"}}}
    text = json.dumps(document).replace('"N"', '"never.json#/$defs/never"')
    (tmp_path / "payment.json").write_text(text)
    schema = Schema.load(tmp_path / "payment.json")
    assert [str(schema.violations({name: 1})[0]) for name in ("cvv", "pin")] == [
        "/cvv isn't allowed",
        "/pin isn't allowed",
    ]


def test_what_is_marked_as_not_forbidden_is_allowed() -> None:
    assert Schema({"properties": {"cvv": {"x-forbidden": False}}}).is_valid({"cvv": "123"})
