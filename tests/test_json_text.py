"""JSON from others: what is stored is what was checked."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.json_text import parse_json

SAME_NAME = "an object has the same name twice"
TOO_LONG = "a whole number has more than 64 bits"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1, "a": 2}', SAME_NAME),
        (b'{"a": {"cvv": "737"}, "a": "x"}', SAME_NAME),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', SAME_NAME),
        (b'{"a": 18446744073709551616}', TOO_LONG),
        (b'{"a": -9223372036854775809}', TOO_LONG),
        (b'{"a": "x", "b": 18446744073709551616, "c": null}', TOO_LONG),
        (b'{"a": "x", "b": [18446744073709551616]}', TOO_LONG),
        (b"1" * 300, TOO_LONG),
        pytest.param(
            b'{"":' * 1_000 + b"1" + b"}" * 1_000,
            "it is nested too deeply",
            marks=pytest.mark.skipif(sys.version_info >= (3, 12), reason="its json module nests as deeply as orjson"),
        ),
    ],
)
def test_what_two_programs_may_read_differently_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_json(text)


@pytest.mark.parametrize(
    "text", [b"NaN", b'{"a": Infinity}', b"1e999", b"1" * 5_000, b'{"a": 1,}', b"", b"\xff", b'"\\ud800"']
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 18446744073709551615, "b": -9223372036854775808}',
        b'{"card": "1234567890123456789"}',
        b'{"card": "1234567890123456789", "amount": 19.99, "paid": true}',
        b'{"at": "12:00:00", "to": {"a": {"a": 1}}}',
        b"1.0000000000000000000001",
        b'[":", {":": ":"}]',
    ],
)
def test_what_only_looks_odd_is_taken(text: bytes) -> None:
    assert parse_json(text) == json.loads(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, 1]))
def test_every_document_is_read_as_it_was_written(document: Any, indent: int | None) -> None:
    assert parse_json(json.dumps(document, indent=indent).encode()) == document


@given(st.dictionaries(st.text(max_size=3), JSON, min_size=1, max_size=4), JSON)
def test_a_name_that_stands_twice_is_always_noticed(document: dict[str, Any], other: Any) -> None:
    name = json.dumps(next(iter(document)))
    text = json.dumps(document)[:-1] + f", {name}: {json.dumps(other)}}}"
    with pytest.raises(ValueError, match=SAME_NAME):
        parse_json(text.encode())
