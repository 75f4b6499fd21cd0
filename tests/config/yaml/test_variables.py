"""Variables in a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.yaml.variables import Expanded, Source, VariableProblem, escape
from runner.config.yaml.variables import expand as expand_in

HERE = Path("/nowhere")
ENVIRON = {"A": "1", "LONG_NAME_2": "x", "EMPTY": "", "NESTED": "${A}"}


def expand(text: str, environ: Mapping[str, str] = ENVIRON, folder: Path = HERE) -> Expanded:
    return expand_in(text, environ, folder)


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
    expanded = expand(text)
    assert (expanded.text, expanded.problems) == (expected, ())


@pytest.mark.parametrize(
    ("text", "source"),
    [
        *(("${A}", Source.VARIABLE), ("x${A}", Source.VARIABLE), ("${NO:-${A}}", Source.VARIABLE)),
        *(("${A:-2}", Source.VARIABLE), ("${A:-2}${A:-1}", Source.VARIABLE)),
        *(("x", Source.TEXT), ("$${A}", Source.TEXT), ("${NO:-d}", Source.TEXT), ("${EMPTY}", Source.TEXT)),
        *(("${A:-1}", Source.TEXT), ("${A:-${NO:-1}}", Source.TEXT)),
    ],
)
def test_what_came_from_a_variable_is_told_from_a_default(text: str, source: Source) -> None:
    assert expand(text).source is source


def test_a_default_that_is_not_taken_may_lack_variables() -> None:
    assert expand("${A:-1${NO}}") == Expanded("1", source=Source.VARIABLE, variable="A")


def test_each_missing_variable_is_reported_with_its_place_among_them() -> None:
    expanded = expand("${A}${X} $${B} ${NO:-${Y}}")
    assert expanded.text == "1 ${B} "
    assert [(problem.ordinal, problem.reason.split(" isn't")[0]) for problem in expanded.problems] == [
        (1, "the variable X"),
        (4, "the variable Y"),
    ]


def test_a_missing_variable_with_a_long_name_does_not_fill_the_screen() -> None:
    [problem] = expand(f"${{{'A' * 100_000}}}").problems
    assert len(problem.reason) < 200


@pytest.mark.parametrize(
    "text", ["${}", "${1}", "${A-x}", "${A:=x}", "${A:?x}", "${ A }", "${A B}", "${A${B}}", "${file:}"]
)
def test_what_is_not_a_variable_is_reported_with_what_would_be(text: str) -> None:
    [problem] = expand(text).problems
    advice = "write ${NAME}, ${NAME:-default} or ${file:PATH}, or $${ for the text itself"
    assert problem.reason.endswith(f"isn't understood; {advice}")


def test_a_variable_that_is_never_closed_is_reported() -> None:
    reason = "'${' is never closed; write ${NAME}, or $${ for the text itself"
    assert expand("x${A") == Expanded("x${A", (VariableProblem(0, reason),))
    assert expand("${A:-b").problems == expand("${file:b").problems == (VariableProblem(0, reason),)


def test_deep_nesting_is_refused() -> None:
    assert expand("${X:-" * 5000 + "}" * 5000).problems != ()
    assert expand("${file:" * 5000 + "}" * 5000).problems != ()


@given(st.text(alphabet="${}A:-b", max_size=30))
def test_any_text_is_expanded_or_explained(text: str) -> None:
    expand(text)


@given(st.text(alphabet="${}Ab", max_size=30))
def test_an_escaped_text_expands_to_itself(text: str) -> None:
    assert expand(escape(text)) == Expanded(text)


# -- from files -----------------------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file as Docker mounts one."""
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    return path


@pytest.mark.parametrize("text", ["${PASSWORD}", "${PASSWORD:-}", "${PASSWORD:-d}", "${NO:-${PASSWORD}}"])
def test_a_variable_that_is_not_set_comes_from_the_file_that_name_file_names(text: str, secret: Path) -> None:
    for environ in ({"PASSWORD_FILE": str(secret)}, {"PASSWORD_FILE": str(secret), "PASSWORD": ""}):
        expanded = expand(text, environ)
        assert (expanded.text, expanded.source, expanded.problems) == ("hunter2", Source.FILE, ())


@pytest.mark.parametrize("text", ["${file:password}", "${file:${NAME}}", "${file:./${NO:-password}}"])
def test_a_file_is_read_by_its_path_from_the_pipelines_folder(text: str, secret: Path) -> None:
    environ = {"NAME": "password"}
    assert expand(f"a {text} b", environ, secret.parent) == Expanded("a hunter2 b", source=Source.FILE)
    assert expand("${PASSWORD}", {"PASSWORD_FILE": "password"}, secret.parent).text == "hunter2"


def test_file_is_the_name_of_a_variable_too() -> None:
    assert expand("${file} ${file:-d}", {"file": "x"}).text == "x x"


def test_what_looks_like_a_variable_in_a_file_is_text(secret: Path) -> None:
    secret.write_text("${A}$$")
    assert expand("${file:password}", ENVIRON, secret.parent).text == "${A}$$"


def test_a_variable_and_its_file_are_not_both_set(secret: Path) -> None:
    environ = {"PASSWORD": "x", "PASSWORD_FILE": str(secret)}
    reason = "PASSWORD and PASSWORD_FILE are both set; unset one of them"
    assert expand("${A}${PASSWORD}", environ | ENVIRON).problems == (VariableProblem(1, reason),)
    assert expand("${PASSWORD:-${NO}}", environ).problems == (VariableProblem(0, reason),)


def test_a_file_of_a_default_that_is_not_taken_is_neither_missed_nor_a_secret(secret: Path) -> None:
    assert expand("${A:-${file:nowhere}}") == Expanded("1", source=Source.VARIABLE, variable="A")
    assert expand("${A:-${file:password}}", ENVIRON, secret.parent) == Expanded(
        "1", source=Source.VARIABLE, variable="A"
    )


def test_a_file_that_gives_no_value_is_reported_where_it_is_named() -> None:
    reason = "can't be read: No such file or directory; name a readable file that holds the value alone"
    for text in ("${P}", "${P:-d}"):
        assert expand(text, {"P_FILE": "none"}).problems == (
            VariableProblem(0, f"P_FILE names 'none', which {reason}"),
        )
    assert expand("${file:none}").problems == (VariableProblem(0, f"the file 'none' {reason}"),)
    assert (
        expand("${P}", {"P_FILE": "a\0b"}).problems[0].reason.startswith("P_FILE names 'a\\x00b', which can't be the")
    )


def test_a_malformed_variable_is_reported_on_one_line() -> None:
    [problem] = expand("${\n\n}", {}, Path()).problems
    assert problem.reason.startswith("'${\\n\\n}' isn't understood")


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("${A}", "A"),
        ("${NO:-${A}}", "NO"),
        ("${A}${B}", None),
        ("${A:-x}${B}", None),
        ("x${A}", None),
        ("${A} ", None),
        ("$${A}", None),
        ("plain", None),
    ],
)
def test_a_variable_that_names_the_whole_text_is_known(text: str, variable: str | None) -> None:
    assert expand(text).variable == variable
