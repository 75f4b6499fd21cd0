"""A module that breaks is reported with the line that broke."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.handlers.problems import HandlerError, HandlerProblem, name_of, reason, unusable
from tests.handlers.refusals import sentence
from tests.handlers.samples import Charge


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("\nimport there_is_none\n", "{0}.py:2: No module named 'there_is_none'"),
        ("from json import nothing\n", "{0}.py:1: cannot import name 'nothing' from 'json'"),
        ("x = 1\nx = {{}}['a']\n", "{0}.py:2: KeyError: 'a'"),
        ("def f(:\n", "{0}.py:1: invalid syntax"),
        ("raise SystemExit(1)\n", "{0}.py:1: SystemExit: 1"),
        ("\nassert False\n", "{0}.py:2: AssertionError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_reported_with_its_line(
    module: Callable[[str], str], source: str, reason: str
) -> None:
    name = module(source.format())
    found = sentence(f"{name}:x")
    assert found.startswith(f"module {name} can't be imported: " + reason.format(name))


def test_a_callable_is_named_as_in_its_file_and_an_object_by_its_class() -> None:
    assert (name_of(Charge.inner), name_of(Charge(gateway="g"))) == ("Charge.inner", "Charge")


def test_an_error_without_a_traceback_is_reported_by_itself() -> None:
    assert (reason(KeyError("a")), reason(ImportError("no module"))) == ("KeyError: 'a'", "no module")


def test_all_reasons_are_one_text() -> None:
    assert str(unusable("it is no handler")) == "it is no handler"
    assert str(HandlerError([HandlerProblem("one"), HandlerProblem("two", ("x",))])) == "one; two"
