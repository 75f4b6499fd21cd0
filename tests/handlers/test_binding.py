"""Settings are bound to what a handler's signature takes."""

from __future__ import annotations

import pytest

from runner import Message
from runner.handlers.binding import bind
from runner.handlers.problems import HandlerError, HandlerProblem
from tests.handlers.refusals import problems, sentence
from tests.handlers.samples import HERE

MESSAGE = Message("1", {"n": 1})


# -- what fits -------------------------------------------------------------------------


def test_a_function_may_take_its_settings_as_a_whole() -> None:
    factory = bind(f"{HERE}:with_all_settings", {"any": 1, "thing": [2]})
    assert factory.build()(MESSAGE) == {"any": 1, "thing": [2]}


def test_a_function_may_take_any_settings() -> None:
    assert bind(f"{HERE}:loosely", {"gateway": "x", "y": 1}).build()(MESSAGE) == ("x", {"y": 1})


def test_a_dataclass_is_a_class_like_any_other() -> None:
    assert bind(f"{HERE}:AsDataclass", {"port": 5}).build()(MESSAGE) == 5
    assert sentence("AsDataclass", port="x") == "setting port is 'x', but must be a whole number"


def test_the_defaults_of_the_signature_are_known() -> None:
    factory = bind(f"{HERE}:with_settings", {"gateway": "g"})
    assert (factory.settings, factory.defaults) == ({"gateway": "g"}, {"timeout": 5.0})
    assert factory.reference == f"{HERE}:with_settings"


# -- settings that don't fit ------------------------------------------------------------


def test_every_setting_that_does_not_fit_is_reported() -> None:
    assert problems("Charge", gatway="x", cards=[1, "a", {}]) == [
        HandlerProblem("Charge has no setting 'gatway' (did you mean 'gateway'?)", ("gatway",), is_name=True),
        HandlerProblem("Charge needs the setting 'gateway'"),
        HandlerProblem("setting cards[0] is 1, but must be text", ("cards", 0)),
    ]


def test_an_unknown_setting_is_reported_with_the_known_ones() -> None:
    assert sentence("with_settings", gateway="g", zzz=1) == (
        "with_settings has no setting 'zzz'; it takes gateway and timeout"
    )
    assert sentence("plain", zzz=1) == "plain has no setting 'zzz'; it takes none"


def test_a_secret_that_does_not_fit_is_not_repeated() -> None:
    with pytest.raises(HandlerError) as caught:
        bind("tests.config.handlers:Send", {"server": "x", "password": ["hunter2"]})
    assert str(caught.value) == "setting password must be text"
