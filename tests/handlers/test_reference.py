"""A reference that leads nowhere is reported with the nearest name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.handlers.reference import find
from tests.handlers.refusals import sentence
from tests.handlers.samples import HERE, Charge

SHAPE = "handler '{}' must be module:callable, such as stages.send_email:SendEmail"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("stages.send_email", SHAPE.format("stages.send_email")),
        ("a b:c", SHAPE.format("a b:c")),
        (":x", SHAPE.format(":x")),
        ("tests.handlers.sampels:x", f"there is no module 'tests.handlers.sampels' (did you mean '{HERE}'?)"),
        ("testz.x:x", "there is no module 'testz' (did you mean 'tests'?)"),
        ("tests.handlers.samples.x:x", "there is no module 'tests.handlers.samples.x'"),
        (f"{HERE}:plan", f"module {HERE} has no 'plan' (did you mean 'plain'?)"),
        (f"{HERE}:Charge.innr", "Charge has no 'innr' (did you mean 'inner'?)"),
        ("tests:handlers", "handler 'tests:handlers' is a module, and can't be called"),
    ],
)  # fmt: skip
def test_a_reference_to_nothing_is_reported_with_the_nearest_name(written: str, reason: str) -> None:
    assert sentence(written) == reason


def test_a_module_that_lacks_a_module_is_not_missing_itself(module: Callable[[str], str]) -> None:
    name = module("import stages.there_is_none")
    assert (
        sentence(f"{name}:x") == f"module {name} can't be imported: {name}.py:1: No module named 'stages.there_is_none'"
    )


def test_a_reference_may_lead_into_a_class() -> None:
    assert find(f"{HERE}:Charge.inner") is Charge.inner
