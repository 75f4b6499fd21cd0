"""A `$ref` leads to the subschema itself, in whatever document it is."""

from __future__ import annotations

from typing import Any

import pytest

from runner.validation.subschemas import Documents, Part, reach, walk

HERE = "file:///here/payment.json"
SOUGHT: dict[str, Any] = {"title": "sought"}


def target(document: dict[str, Any], reference: str, **others: Any) -> Any:
    found = Documents(document, HERE, others).target(reference, HERE)
    return found.schema if found is not None else None


@pytest.mark.parametrize(
    ("document", "reference"),
    [
        ({"$defs": {"a": SOUGHT}}, "#/$defs/a"),
        ({"$defs": {"a~/b": SOUGHT}}, "#/$defs/a~0~1b"),
        ({"$defs": {"a b": SOUGHT}}, "#/$defs/a%20b"),
        ({"allOf": [{}, SOUGHT]}, "#/allOf/1"),
    ],
)
def test_a_pointer_leads_to_the_object_itself(document: dict[str, Any], reference: str) -> None:
    assert target(document, reference) is SOUGHT


@pytest.mark.parametrize("reference", ["#/$defs/b", "#/allOf/2", "#/allOf/x", "other.json", "#/$defs/a/title"])
def test_what_is_not_there_or_no_object_is_nothing(reference: str) -> None:
    assert target({"$defs": {"a": SOUGHT}, "allOf": [{}]}, reference) is None


def test_anchors_ids_and_files_are_found() -> None:
    named = {
        "$defs": {"a": {"$anchor": "x"}, "b": {"$dynamicAnchor": "y"}, "c": {"$id": "sub/", "$defs": {"d": SOUGHT}}}
    }
    assert target(named, "#x") == {"$anchor": "x"}
    assert target(named, "#y") == {"$dynamicAnchor": "y"}
    assert target(named, "sub/#/$defs/d") is SOUGHT
    assert target({}, "card.json", **{"file:///here/card.json": SOUGHT}) is SOUGHT


def test_a_walk_in_a_circle_ends_and_meets_each_subschema_once() -> None:
    document: dict[str, Any] = {"properties": {"a": {"$ref": "#"}, "b": {"items": SOUGHT}}, "$defs": {"unused": {}}}
    root = Documents(document, HERE, {}).root
    assert len(list(walk([root], Part.below))) == 4
    assert reach([root], lambda schema: schema is SOUGHT)
    assert not reach([root], lambda schema: schema == {})
