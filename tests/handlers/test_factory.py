"""Building the handlers of a stage: one for each slot, or a reason why not."""

from __future__ import annotations

from runner import Message
from runner.errors import Trail
from runner.handlers.binding import bind
from runner.handlers.factory import HandlerFactory
from runner.handlers.problems import HandlerProblem
from runner.privacy.masking import mask
from tests.handlers.refusals import problems, sentence
from tests.handlers.samples import HERE, Charge, loosely

MESSAGE = Message("1", {"n": 1})


def test_a_function_is_called_with_the_message() -> None:
    assert bind(f"{HERE}:plain", {}).build()(MESSAGE) == {"n": 1}


def test_a_function_gets_its_settings_by_name() -> None:
    handler = bind(f"{HERE}:with_settings", {"gateway": "g"}).build()
    assert handler(MESSAGE) == ({"n": 1}, "g", 5.0)


def test_a_class_is_built_with_its_settings_once_for_each_slot() -> None:
    factory = bind(f"{HERE}:Charge", {"gateway": "g", "cards": ["1"]})
    one, other = factory.build(), factory.build()
    assert isinstance(one, Charge)
    assert isinstance(other, Charge)
    assert one(MESSAGE) == ("g", {"n": 1})
    one.cards.append("2")
    assert other.cards == ["1"]


def test_a_factory_does_not_show_its_settings() -> None:
    assert "hunter2" not in repr(bind(f"{HERE}:loosely", {"password": "hunter2"}))


def test_a_class_that_refuses_a_setting_is_reported_at_that_setting() -> None:
    assert problems("Charge", gateway="none") == [
        HandlerProblem("Charge refuses its settings: gateway 'none' isn't known", ("gateway",))
    ]


def test_a_class_that_breaks_is_reported_with_its_line() -> None:
    [problem] = problems("Raises", first=1)
    assert problem.trail == ("first",)
    assert problem.message.startswith("Raises refuses its settings: tests/handlers/samples.py:")
    assert problem.message.endswith(": KeyError: 'first'")


def test_a_class_that_ends_the_program_is_reported() -> None:
    assert sentence("Leaves").endswith("SystemExit: 3")


def test_once_a_handler_has_a_secret_no_text_for_people_shows_it() -> None:
    secrets: dict[Trail, str] = {("api_key",): "sk_once_0815", ("gateway",): "gateway.example"}
    said = "gateway.example refuses sk_once_0815"
    factory = HandlerFactory(f"{HERE}:loosely", loosely, {"api_key": "sk_once_0815"}, secrets=secrets)
    assert mask(said) == said
    factory.build()
    assert mask(said) == "gateway.example refuses ********"
