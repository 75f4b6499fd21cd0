"""Schemas as components: every reference leads where it led before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from runner.validation.bundling import Bundle
from runner.validation.schema import Schema


def written(folder: Path, **documents: Any) -> None:
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))


def bundled(schema: Schema, bundle: Bundle | None = None) -> dict[str, Any]:
    bundle = bundle or Bundle({})
    return {**bundle.add(schema, "queue"), "components": {"schemas": bundle.schemas}}


def test_references_within_a_file_and_to_others_are_followed(tmp_path: Path) -> None:
    written(
        tmp_path,
        order={
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "properties": {
                "name": {"$ref": "#/$defs/name"},
                "total": {"$ref": "shared.json#/$defs/money"},
                "parts": {"items": {"$ref": "#"}},
            },
            "$defs": {"name": {"type": "string"}},
        },
        shared={"$defs": {"money": {"$ref": "#/$defs/whole"}, "whole": {"type": "integer"}}},
    )
    document = bundled(Schema.load(tmp_path / "order.json"))
    assert document["$ref"] == "#/components/schemas/order"
    assert set(document["components"]["schemas"]) == {"order", "shared"}
    judge = jsonschema_rs.validator_for(document)
    assert judge.is_valid({"name": "a", "total": 1, "parts": [{"name": "b"}]})
    for wrong in ({"name": 1}, {"total": "1"}, {"parts": [{"parts": [{"total": 1.5}]}]}):
        assert not judge.is_valid(wrong)


def test_a_file_is_taken_in_once_and_two_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    written(tmp_path, order={"type": "object"})
    written(tmp_path / "other", order={"type": "array"})
    bundle = Bundle({"Problem": {}})
    names = [
        bundle.add(Schema.load(tmp_path / place), "queue")["$ref"]
        for place in ("order.json", "other/order.json", "order.json")
    ]
    assert names == ["#/components/schemas/order", "#/components/schemas/order_2", "#/components/schemas/order"]
    assert set(bundle.schemas) == {"Problem", "order", "order_2"}


def test_what_a_client_never_gets_back_is_marked_and_what_he_may_not_send_is_refused(tmp_path: Path) -> None:
    card = {"type": "string", "x-sensitive": {"show": "last4"}}
    written(tmp_path, payment={"type": "object", "properties": {"card": card, "cvv": {"x-forbidden": True}}})
    properties = bundled(Schema.load(tmp_path / "payment.json"))["components"]["schemas"]["payment"]["properties"]
    assert properties["card"] == {**card, "writeOnly": True}
    assert properties["cvv"] is False


def test_a_schema_with_an_id_of_its_own_stays_as_it_is(tmp_path: Path) -> None:
    own = {"$id": "https://example.com/order", "$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}
    written(tmp_path, order=own)
    assert bundled(Schema.load(tmp_path / "order.json"))["components"]["schemas"]["order"] == own


def test_a_name_has_only_the_characters_that_it_may_have(tmp_path: Path) -> None:
    written(tmp_path, **{"größe (2)": {"type": "object"}})
    assert list(bundled(Schema.load(tmp_path / "größe (2).json"))["components"]["schemas"]) == ["gr__e__2_"]


def test_a_schema_in_no_file_has_the_name_that_it_is_given() -> None:
    assert bundled(Schema({"type": "string"}))["components"]["schemas"] == {"queue": {"type": "string"}}
