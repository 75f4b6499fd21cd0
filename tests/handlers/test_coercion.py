"""A value from the file becomes what an annotation asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest

from runner.handlers.coercion import MisfitError, coerce, described


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("x", str),
        (5, int),
        (5, float),
        (5.5, float),
        (True, bool),
        (None, None),
        ([1, 2], list[int]),
        ([1, "a"], list),
        (["a"], Sequence[str]),
        (["a"], tuple[str, ...]),
        ([1, "a"], tuple[int, str]),
        (["a"], set[str]),
        (["a"], Iterable[str]),
        ({"a": 1}, dict[str, int]),
        ({"a": [1]}, Mapping[str, list[int]]),
        ({"a": 1}, dict),
        ("a", Literal["a", "b"]),
        (2, Literal[1, 2]),
        (None, str | None),
        ("x", Optional[str]),  # noqa: UP045 - as others write it
        (5, int | str),
        ([1], int | list[int]),
        ("x", Annotated[str, "any"]),
        (object, Any),
        ("1.5", Decimal),
    ],
)  # fmt: skip
def test_a_value_that_fits_arrives_as_it_is(value: object, annotation: object) -> None:
    assert coerce(value, annotation) == value


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        ("x", int, "must be a whole number"),
        (True, int, "must be a whole number"),
        (1.5, int, "must be a whole number"),
        (float("inf"), int, "must be a whole number"),
        (1.5, Literal[1], "must be 1"),
        (True, float, "must be a number"),
        ("1", float, "must be a number"),
        (1, bool, "must be true or false"),
        ("no", bool, "must be true or false"),
        (1, str, "must be text"),
        (None, str, "must be text"),
        ("x", list[str], "must be a list"),
        (["x"], dict[str, str], "must be a mapping"),
        ("c", Literal["a", "b"], "must be 'a' or 'b'"),
        (True, Literal[1], "must be 1"),
        ("x", int | None, "must be a whole number or empty"),
        ("x", Optional[int], "must be a whole number or empty"),  # noqa: UP045 - as others write it
        ([], int | float | bool, "must be a whole number, a number or true or false"),
        (5, Path, "must be a path"),
    ],
)
def test_a_value_that_does_not_fit_is_reported_with_what_would(value: object, annotation: object, message: str) -> None:
    with pytest.raises(MisfitError, match=f"^{message}$"):
        coerce(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation", "trail"),
    [
        ([1, "a"], list[int], (1,)),
        ({"a": {"b": [1, None]}}, dict[str, dict[str, list[int]]], ("a", "b", 1)),
        ({"a": 1}, dict[str, str] | None, ("a",)),
        ([["a"], 1], list[list[str]], (1,)),
    ],
)
def test_the_part_that_does_not_fit_is_named(value: object, annotation: object, trail: tuple[object, ...]) -> None:
    with pytest.raises(MisfitError) as caught:
        coerce(value, annotation)
    assert caught.value.trail == trail


@pytest.mark.parametrize(
    ("value", "written", "annotation", "expected"),
    [
        (123, "0123", str, "0123"),
        (None, "", str, ""),
        (True, "true", str, "true"),
        (1.5, "1.50", str | None, "1.50"),
        (None, "", str | None, None),
        (5, "5", int | str, 5),
        (10.0, "10.0", int, 10),
        (1e6, "1e+06", int | None, 1_000_000),
        (10.0, "10.0", float, 10.0),
        (10.0, "10.0", int | float, 10.0),
        (10.0, "10.0", int | str, 10),
        (2.0, "2.0", Literal[1, 2], 2),
        (5, "05", float | None, 5),
        ([1, "x"], ["01", "x"], list[str], ["01", "x"]),
        ({"a": 1}, {"a": "01"}, dict[str, str], {"a": "01"}),
        ({"a": [1]}, {"a": ["01"]}, dict[str, list[str]] | None, {"a": ["01"]}),
        (1, "1", Literal["1", "2"], "1"),
        (7, "7", Path, Path("/here/7")),
    ],
)
def test_where_text_is_asked_for_it_arrives_as_written(
    value: object, written: object, annotation: object, expected: object
) -> None:
    coerced = coerce(value, annotation, written, folder=Path("/here"))
    assert (coerced, type(coerced)) == (expected, type(expected))


def test_a_written_null_is_no_text() -> None:
    with pytest.raises(MisfitError):
        coerce(None, str, "null")


def test_a_path_starts_at_the_folder() -> None:
    assert coerce("letters", Path, folder=Path("/here")) == Path("/here/letters")
    assert coerce("/there", Path | None, folder=Path("/here")) == Path("/there")


def test_an_unknown_annotation_still_has_a_name() -> None:
    assert described(Decimal | None) == "something else or empty"
