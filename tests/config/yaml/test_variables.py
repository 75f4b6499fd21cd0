"""Variables in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.yaml.variables import VariableFault, escape, expand

ENVIRON = {"A": "1", "LONG_NAME_2": "x", "EMPTY": "", "NESTED": "${A}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("a${A}b${A}", "a1b1"),
        ("${LONG_NAME_2}", "x"),
        ("${EMPTY}", ""),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "1"),
        ("${NO:-d}", "d"),
        ("${NO:-}", ""),
        ("${NO:-a b:c/d}", "a b:c/d"),
        ("${NO:-${A}}", "1"),
        ("${NO:-x${NEITHER:-y}z}", "xyz"),
        ("${A:-${NO}}", "1"),
        ("${NO:-a}}", "a}"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$${A}", "$1"),
        ("$A $ 5$", "$A $ 5$"),
        ("^[a-z]+$", "^[a-z]+$"),
        ("${NESTED}", "${A}"),
        ("${NO:-$$}", "$"),
    ],
)
def test_variables_are_replaced_as_docker_compose_does(text: str, expected: str) -> None:
    assert expand(text, ENVIRON) == (expected, ())


def test_each_missing_variable_is_told_with_its_place_among_them() -> None:
    text, faults = expand("${A}${X} $${B} ${NO:-${Y}}", ENVIRON)
    assert text == "1 ${B} "
    assert [(fault.ordinal, fault.reason.split(" isn't")[0]) for fault in faults] == [
        (1, "the variable X"),
        (4, "the variable Y"),
    ]


@pytest.mark.parametrize("text", ["${}", "${1}", "${A-x}", "${A:=x}", "${A:?x}", "${ A }", "${A B}", "${A${B}}"])
def test_what_is_no_variable_is_told_with_what_would_be(text: str) -> None:
    [fault] = expand(text, ENVIRON)[1]
    assert fault.reason.endswith("isn't understood; write ${NAME} or ${NAME:-default}, or $${ for the text itself")


def test_a_variable_that_is_never_closed_is_told() -> None:
    reason = "'${' is never closed; write ${NAME}, or $${ for the text itself"
    assert expand("x${A", ENVIRON) == ("x${A", (VariableFault(0, reason),))
    assert expand("${A:-b", ENVIRON)[1] == (VariableFault(0, reason),)


def test_deep_nesting_is_refused() -> None:
    assert expand("${X:-" * 5000 + "}" * 5000, {})[1] != ()


@given(st.text(alphabet="${}A:-b", max_size=30))
def test_any_text_is_expanded_or_explained(text: str) -> None:
    expand(text, ENVIRON)


@given(st.text(alphabet="${}Ab", max_size=30))
def test_an_escaped_text_expands_to_itself(text: str) -> None:
    assert expand(escape(text), ENVIRON) == (text, ())
