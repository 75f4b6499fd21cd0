"""What can take a message, and what can't."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runner import Message
from runner.handlers.binding import bind
from runner.handlers.signature import annotations_of, check_call, parameters
from runner.library.mail import SendMail
from tests.handlers import samples
from tests.handlers.refusals import problems, sentence
from tests.handlers.samples import HERE

UNCALLABLE = f"handler '{HERE}:{{}}' can't be called with one message: it takes {{}} -> 'None'"
ASYNC = f"handler '{HERE}:{{}}' is 'async def'; handlers are plain functions, which run in threads"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("WithoutCall", "class WithoutCall has no __call__(self, message), so it can't handle a message"),
        ("constant", f"handler '{HERE}:constant' is of type int, and can't be called"),
        ("without_message", UNCALLABLE.format("without_message", "()")),
        ("positional", UNCALLABLE.format("positional", "(message: 'Message', gateway: 'str', /)")),
        ("only_by_name", UNCALLABLE.format("only_by_name", "(*, message: 'Message')")),
        ("asynchronous", ASYNC.format("asynchronous")),
        ("decorated_async", ASYNC.format("decorated_async")),
        ("AsyncCall", ASYNC.format("AsyncCall")),
        ("generating", f"handler '{HERE}:generating' is a generator; return a list of bodies instead of yielding them"),
    ],
)  # fmt: skip
def test_what_cannot_take_a_message_is_refused(name: str, reason: str) -> None:
    assert sentence(name) == reason


@pytest.mark.parametrize("name", ["Child", "decorated"])
def test_what_is_inherited_or_wrapped_counts(name: str) -> None:
    assert problems(name)[0].message.endswith("needs the setting 'gateway'")
    bind(f"{HERE}:{name}", {"gateway": "g"}).try_build()


def test_a_partial_is_a_function() -> None:
    assert bind(f"{HERE}:partial", {"timeout": 1}).build()(Message("1", {"n": 1})) == ({"n": 1}, "fixed", 1)


def test_annotations_that_only_a_type_checker_knows_are_passed_over() -> None:
    bind(f"{HERE}:TypedElsewhere", {"share": 1, "price": "2", "port": 3})
    assert sentence("TypedElsewhere", share=1, price=2, port="3") == "setting port is '3', but must be a whole number"


@pytest.mark.parametrize("name", ["plain", "with_settings", "loosely", "Charge", "partial"])
def test_whatever_can_be_called_with_one_message_is_taken(name: str) -> None:
    check_call(getattr(samples, name), name)


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (samples.plain, []),
        (samples.with_settings, ["gateway", "timeout"]),
        (samples.loosely, ["gateway", "others"]),
        (samples.Charge, ["gateway", "cards"]),
        (samples.WithoutCall, []),
    ],
)
def test_settings_are_all_parameters_but_a_functions_message(target: Callable[..., Any], names: list[str]) -> None:
    assert list(parameters(target)) == names


def test_an_annotation_that_cannot_be_resolved_allows_anything() -> None:
    found = annotations_of(samples.TypedElsewhere, parameters(samples.TypedElsewhere))
    assert found == {"share": Any, "price": Decimal, "port": int}


def test_annotations_of_an_inherited_init_are_those_of_its_own_module() -> None:
    known = parameters(SendMail)
    assert annotations_of(SendMail, known)["ca_file"] == Path | None
