"""Schemas: read, compiled and used; what each lets through is in `test_diagnosis`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from runner.validation import violations
from runner.validation.schema import Schema, SchemaError, file_uri
from runner.validation.violations import UNEXPLAINED, Violation


def test_a_refusal_that_jsonschema_cannot_follow_is_still_a_refusal() -> None:
    deep: Any = 1
    for _ in range(600):
        deep = {"a": deep}
    assert Schema({"properties": {"a": {"$ref": "#"}}, "not": {"const": 1}}).violations(deep) == (UNEXPLAINED,)


def test_a_refusal_that_takes_too_long_to_explain_is_given_up() -> None:
    """Each level doubles what there is to look at: to the end it would take a day."""
    tree = {"anyOf": [{"type": "integer"}, *[{"type": "array", "items": {"$ref": "#"}, "minItems": n} for n in (0, 1)]]}
    body: Any = "x"
    for _ in range(40):
        body = [body]
    assert Schema(tree).violations(body) == (UNEXPLAINED,)


def test_a_refusal_names_some_of_many_violations() -> None:
    found = Schema({"items": {"type": "string"}}).violations(list(range(30_000)))
    assert found == tuple(Violation(f"/{index}", "must be a string") for index in range(20))


def test_a_body_that_is_nested_beyond_every_limit_is_refused() -> None:
    body = orjson.loads(b"[" * 1_020 + b"]" * 1_020)
    assert Schema({"type": "object"}).violations(body) != ()


def test_the_same_item_twice_is_reported() -> None:
    items = [{"number": number} for number in range(5_000)]
    assert Schema({"uniqueItems": True}).violations([*items, {"number": 0}]) == (
        Violation("", "must not hold the same item twice"),
    )


def test_the_package_that_words_refusals_is_not_imported_for_valid_bodies() -> None:
    lines = (
        "import sys",
        "from runner.validation.schema import Schema",
        "Schema({'type': 'object'}).is_valid({})",
        "sys.exit('jsonschema' in sys.modules)",
    )
    assert subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode == 0


# -- files --------------------------------------------------------------------------


def test_a_reference_leads_to_a_file_beside_the_schema(tmp_path: Path) -> None:
    (tmp_path / "parts of it").mkdir()
    (tmp_path / "parts of it" / "money.json").write_text('{"$defs": {"amount": {"type": "integer"}}}')
    main = tmp_path / "payment.json"
    main.write_text('{"properties": {"amount": {"$ref": "parts%20of%20it/money.json#/$defs/amount"}}}')
    schema = Schema.load(main)
    assert schema.is_valid({"amount": 1})
    assert schema.violations({"amount": "1"}) == (Violation("/amount", "must be an integer"),)
    assert violations.explain(schema._diagnostic, {"amount": "1"}) == (Violation("/amount", "must be an integer"),)


def test_a_reference_in_a_schema_without_a_file_starts_at_its_folder(tmp_path: Path) -> None:
    (tmp_path / "id.json").write_text('{"type": "integer"}')
    schema = Schema({"items": {"$ref": "id.json"}}, base=tmp_path)
    assert schema.violations(["x"]) == (Violation("/0", "must be an integer"),)


def broken(document: Any, **options: Any) -> str:
    with pytest.raises(SchemaError) as caught:
        Schema(document, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            {"type": "strin"},
            "is not a JSON Schema: /type is 'strin', which isn't allowed there (did you mean 'string'?)",
        ),
        ({"required": "x"}, "is not a JSON Schema: /required is 'x', which isn't allowed there"),
        ({"minLength": -1}, "is not a JSON Schema: /minLength is -1, which isn't allowed there"),
        ({"pattern": "("}, "is not a JSON Schema: /pattern is '(', which is not a regular expression"),
        ({"$ref": "#/$defs/x"}, "refers to something that doesn't exist: Pointer '/$defs/x' does not exist"),
        (
            {"$ref": "http://schemas.example/x.json"},
            "refers to http://schemas.example/x.json, which isn't fetched: only files are read",
        ),
        (
            {"$schema": "http://made.up/draft"},
            "refers to http://made.up/draft, which isn't fetched: only files are read",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(document: Any, reason: str) -> None:
    assert broken(document) == reason


@pytest.mark.parametrize("name", ["plain.json", "a b#c?%.json", "Grüße.json", "\udcff.json"])
def test_the_uri_of_a_file_is_that_of_pathlib(name: str) -> None:
    path = Path("/srv/payments") / name
    assert file_uri(path) == path.as_uri()


def test_a_reference_to_a_missing_file_names_it(tmp_path: Path) -> None:
    reason = broken({"$ref": "gone.json"}, base=tmp_path)
    assert reason == f"refers to {tmp_path.as_uri()}/gone.json, which can't be read: No such file or directory"


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    document: Any = {}
    for _ in range(500):
        document = {"properties": {"a": document}}
    assert broken(document).startswith("can't be compiled")


@pytest.mark.parametrize(
    ("content", "reason", "place"),
    [
        (b'{"type":\n  object}', "isn't JSON: Expecting value", (2, 3)),
        (b"{", "isn't JSON: Expecting property name enclosed in double quotes", (1, 2)),
        (b"", "isn't JSON: Expecting value", (1, 1)),
        (b"[]", "is not a JSON Schema: it must be an object, or true or false", (0, 0)),
        (b'{"x": "\xff"}', "isn't UTF-8 text: byte 7", (0, 0)),
        (b"[" * 100_000, "is nested too deeply", (0, 0)),
    ],
)
def test_a_file_that_is_no_schema_says_where(
    tmp_path: Path, content: bytes, reason: str, place: tuple[int, int]
) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(SchemaError) as caught:
        Schema.load(file)
    assert (str(caught.value), (caught.value.line, caught.value.column)) == (reason, place)


def test_a_folder_is_no_schema(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="can't be read: Is a directory"):
        Schema.load(tmp_path)
