"""Values shown as YAML read back as themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.yaml.parser import parse_yaml
from runner.config.yaml.writer import block, inline, key

TEXTS = st.text(max_size=20) | st.sampled_from(
    ["", "no", "1", "1:30", "null", "a: b", "a #b", "- a", "${A}", "$$", "*", "é"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> Any:
    document = parse_yaml(text.encode(), "x.yaml", {})
    errors = [problem for problem in document.problems if problem.severity == "error"]
    assert errors == []
    return document.root.value


@given(VALUES)
def test_a_value_on_one_line_reads_back(value: Any) -> None:
    assert read(f"key: {inline(value)}\n") == {"key": value}


@given(VALUES, TEXTS)
def test_a_value_in_lines_reads_back(value: Any, name: str) -> None:
    first, *rest = block(value, 2)
    assert read("\n".join([f"{key(name)}:{first}", *rest, "end: 1"])) == {name: value, "end": 1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("payment_queue", "payment_queue"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("embedded:var/broker.db", "embedded:var/broker.db"),
        ("Credit Card", "Credit Card"),
        ("1234", '"1234"'),
        ("true", '"true"'),
        ("", '""'),
        ("[::1]:80", '"[::1]:80"'),
        ("a: b", '"a: b"'),
        ("a${B}", '"a$${B}"'),
        ({"when": {"required": ["x"]}}, "{when: {required: [x]}}"),
        ([1, 2.5, None, True], "[1, 2.5, null, true]"),
    ],
)
def test_text_is_quoted_only_where_it_must_be(value: Any, expected: str) -> None:
    assert inline(value) == expected


def test_a_long_value_is_spread_over_lines() -> None:
    value = [{"when": {"properties": {"a": {"const": "x" * 30}}}, "to": "y" * 20}, "short"]
    assert list(block(value, 2)) == [
        "",
        "  - when: {properties: {a: {const: " + "x" * 30 + "}}}",
        "    to: " + "y" * 20,
        "  - short",
    ]
