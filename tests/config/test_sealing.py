"""What is marked can be sealed, and what is revealed is sealed: else the file is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.config.files import problems_of

SCHEMA: dict[str, dict[str, Any]] = {"properties": {"cardNo": {"type": "string", "x-sensitive": {"show": "last4"}}}}
HANDLER = "tests.config.handlers:take"


def problems(folder: Path, text: str) -> list[str]:
    (folder / "sealed.json").write_text(json.dumps(SCHEMA))
    (folder / "plain.json").write_text("{}")
    return [problem.message for problem in problems_of(text)]


def pipeline(keys: str = "keys: file:var/keys\n", reveal: str = "[cardNo]", schema: str = "sealed.json") -> str:
    stage = f"{{consume: a, handler: '{HANDLER}', reveal: {reveal}}}"
    routes = "http: {routes: {POST /a: {publish: a}}}\n"
    return f"{keys}queues: {{a: {{schema: {schema}}}}}\n{routes}stages: {{s: {stage}}}\n"


def test_a_stage_may_reveal_what_the_schema_of_its_queue_marks(folder: Path) -> None:
    assert problems(folder, pipeline()) == []


def test_a_field_that_is_marked_needs_keys(folder: Path) -> None:
    assert problems(folder, pipeline(keys="")) == [
        "queue a: its schema marks cardNo x-sensitive, but the file names no keys; add 'keys: file:var/keys'",
        "stage s reveals cardNo, but the file names no keys; add 'keys: file:var/keys'",
    ]


DEEP: dict[str, Any] = SCHEMA
for name in "abcde":
    DEEP = {"properties": {name: DEEP}}


@pytest.mark.parametrize(
    "schema",
    [
        {"patternProperties": {"^card": SCHEMA["properties"]["cardNo"]}},
        {"additionalProperties": SCHEMA["properties"]["cardNo"]},
        {"properties": {"cards": {"items": SCHEMA["properties"]["cardNo"]}}},
        DEEP,
    ],
)
def test_keys_are_needed_wherever_a_mark_is(folder: Path, schema: object) -> None:
    (folder / "other.json").write_text(json.dumps(schema))
    [problem] = problems(folder, pipeline(keys="", reveal="[]", schema="other.json"))
    assert "x-sensitive, but the file names no keys" in problem
    assert problems(folder, pipeline(reveal="[]", schema="other.json")) == []


def test_what_may_not_be_sent_needs_no_keys(folder: Path) -> None:
    (folder / "other.json").write_text(json.dumps({"properties": {"cvv": {"x-forbidden": True}}}))
    assert problems(folder, pipeline(keys="", reveal="[]", schema="other.json")) == []


def test_what_is_revealed_has_to_be_marked(folder: Path) -> None:
    assert problems(folder, pipeline(reveal="[cardno]")) == [
        "stage s reveals 'cardno', which no schema of a marks x-sensitive (did you mean 'cardNo'?)"
    ]


TWO = """
keys: file:var/keys
queues: {a: {schema: sealed.json}, b: {schema: other.json}}
http: {routes: {POST /a: {publish: ROUTES}}}
stages:
  s: {consume: a, handler: "tests.config.handlers:take", reveal: [cardNo]}
  t: {consume: b, handler: "tests.config.handlers:take"}
"""


@pytest.mark.parametrize("routes", ["[a, b]", "[{when: {required: [x]}, to: a}, {to: b}]"])
@pytest.mark.parametrize(
    ("other", "refuses"),
    [
        ({"properties": {"cardNo": {"pattern": "^[0-9]{16}$"}}}, True),
        ({"properties": {"cardNo": {"maxLength": 19}}}, True),
        ({"properties": {"cardNo": {"type": "integer"}}}, True),
        ({"properties": {"cardNo": {"type": "string"}}}, False),
        ({"properties": {"cardNo": False}}, False),
        ({"properties": {"n": {}}, "additionalProperties": False}, False),
        ({"properties": {"card": {"maxLength": 4}}, "required": ["card"]}, False),
        ({"properties": {"cardNo": {"maxLength": 19, "x-sensitive": {"show": "hidden"}}}}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_queue_beside_one_that_marks_a_field_has_to_take_it_sealed(
    folder: Path, routes: str, other: object, refuses: bool
) -> None:
    (folder / "other.json").write_text(json.dumps(other))
    message = (
        "queue b: its schema would refuse cardNo, which route POST /a seals since that of a marks it x-sensitive;"
        " mark it here, too"
    )
    assert problems(folder, TWO.replace("ROUTES", routes)) == ([message] if refuses else [])


def test_keys_that_seal_nothing_are_a_warning(folder: Path) -> None:
    message = "keys are named, but no schema marks a field x-sensitive: nothing is sealed; mark a field, or remove keys"
    assert problems(folder, pipeline(reveal="[]", schema="plain.json")) == [message]


@pytest.mark.parametrize("text", ["var/keys", "kms:alias/x"])
def test_keys_are_a_file(folder: Path, text: str) -> None:
    assert any(
        "must be file:PATH, such as file:var/keys" in one for one in problems(folder, pipeline(f"keys: {text}\n"))
    )
