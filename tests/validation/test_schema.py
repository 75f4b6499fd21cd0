"""What a schema lets through, and what its sender is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.validation import violations
from runner.validation.misspelling import misspelt_formats, misspelt_keywords
from runner.validation.schema import Schema, SchemaError, file_uri
from runner.validation.violations import UNEXPLAINED, Violation

CARD = "4111111111111111"
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


# -- the same, for anything ---------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c1", CARD])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text("ab1\n é", max_size=4),
    st.sampled_from([0, 1.0, "a@b.example", "2020-01-01", "2020-13-01", CARD]),
)
BODIES = st.recursive(SCALARS, lambda c: st.lists(c, max_size=3) | st.dictionaries(NAMES, c, max_size=3), max_leaves=8)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    types = ["string", "integer", "number", "object", "array", "null", "boolean", ["string", "null"]]
    several = st.lists(inner, min_size=1, max_size=2)
    count = st.integers(0, 2)
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(types),
        "enum": st.lists(BODIES, min_size=1, max_size=3),
        "const": BODIES,
        "minimum": st.integers(-3, 3) | st.floats(-3, 3),
        "exclusiveMaximum": st.integers(-3, 3),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": count,
        "maxLength": count,
        "pattern": st.sampled_from(["^a", "b$", r"^\d+$", r"\w", r"^[^\s]*$", r"\p{L}"]),
        "format": st.sampled_from(["email", "date", "ipv4", "uri", "made-up"]),
        "minItems": count,
        "maxItems": count,
        "uniqueItems": st.booleans(),
        "items": inner,
        "prefixItems": several,
        "contains": inner,
        "minContains": count,
        "maxContains": count,
        "properties": st.dictionaries(NAMES, inner, max_size=2),
        "required": st.lists(NAMES, max_size=2, unique=True),
        "additionalProperties": inner,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "1$", r"\d"]), inner, max_size=1),
        "propertyNames": inner,
        "minProperties": count,
        "maxProperties": count,
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=1),
        "dependentSchemas": st.dictionaries(NAMES, inner, max_size=1),
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "unevaluatedProperties": inner,
        "unevaluatedItems": inner,
    }
    return st.fixed_dictionaries({}, optional=keywords)


SCHEMAS = st.recursive(st.booleans() | objects(st.booleans()), objects, max_leaves=4)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCHEMAS, BODIES)
def test_both_validators_agree_on_anything(schema: Any, body: Any) -> None:
    compiled = Schema(schema)
    assert (violations.explain(compiled._diagnostic, body) == ()) == compiled.is_valid(body)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCHEMAS, st.just(CARD) | st.lists(st.just(CARD)) | st.dictionaries(st.just(CARD), st.just(CARD)))
def test_what_was_sent_is_never_repeated(schema: Any, body: Any) -> None:
    if CARD not in json.dumps(schema):
        assert all(CARD not in str(violation) for violation in Schema(schema).violations(body))


# -- the words ----------------------------------------------------------------------

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
def test_each_violation_is_told_with_its_pointer(change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert Schema(PAYMENT).violations({**GOOD, **change}) == tuple(Violation(*violation) for violation in expected)


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
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, '/b is required where "a" is given'),
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


def test_the_same_item_twice_is_told() -> None:
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
        ({"type": "strin"}, "is no JSON Schema: /type is 'strin', which isn't allowed there (did you mean 'string'?)"),
        ({"required": "x"}, "is no JSON Schema: /required is 'x', which isn't allowed there"),
        ({"minLength": -1}, "is no JSON Schema: /minLength is -1, which isn't allowed there"),
        ({"pattern": "("}, "is no JSON Schema: /pattern is '(', which is no regular expression"),
        ({"$ref": "#/$defs/x"}, "refers to what there isn't: Pointer '/$defs/x' does not exist"),
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
        (b"[]", "is no JSON Schema: it must be an object, or true or false", (0, 0)),
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


def test_a_format_that_is_nearly_one_is_pointed_out() -> None:
    schema = {"properties": {"a": {"format": "e-mail"}, "b": {"anyOf": [{"format": "int32"}, {"format": "datetime"}]}}}
    assert list(misspelt_formats(schema)) == [
        "'e-mail' (did you mean 'email'?)",
        "'datetime' (did you mean 'date-time'?)",
    ]


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


def test_of_a_value_of_the_wrong_type_only_that_is_told() -> None:
    schema = Schema({"properties": {"n": {"type": "string", "minLength": 3, "not": {"const": 1}, "enum": ["abc"]}}})
    assert list(map(str, schema.violations({"n": 1}))) == ["/n must be a string"]


def test_a_keyword_that_is_nearly_one_that_is_known_is_misspelt() -> None:
    schema = {
        "requird": ["a"],
        "x-owner": "we",
        "properties": {"requird": {"typ": "string"}, "type": {"enum": ["minimun"], "default": {"typo": 1}}},
        "allOf": [{"minimun": 3}, {"$ref": "#/$defs/a"}],
        "items": {"additionalPropertys": False},
        "$defs": {"a": {"not": {"MaxLength": 3}}},
    }
    assert list(misspelt_keywords(schema)) == [
        "'requird' (did you mean 'required'?)",
        "'typ' (did you mean 'type'?)",
        "'minimun' (did you mean 'minimum'?)",
        "'additionalPropertys' (did you mean 'additionalProperties'?)",
        "'MaxLength' (did you mean 'maxLength'?)",
    ]
    assert list(misspelt_keywords({"type": "object", "properties": {}, "const": {"typ": 1}})) == []
