"""A reference and its settings become handlers, or a reason why not."""

from __future__ import annotations

import dataclasses
import functools
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner import Message
from runner.handlers.binding import bind
from runner.handlers.problems import HandlerError, HandlerProblem

if TYPE_CHECKING:
    from fractions import Fraction

HERE = "tests.handlers.test_binding"
MESSAGE = Message("1", {"n": 1})


def plain(message: Message) -> Any:
    return message.body


def with_settings(message: Message, *, gateway: str, timeout: float = 5.0) -> Any:
    return (message.body, gateway, timeout)


def with_all_settings(message: Message, *, settings: Mapping[str, Any]) -> Any:
    return settings


def loosely(message: Message, gateway: str = "g", **others: Any) -> Any:
    return (gateway, others)


class Charge:
    def __init__(self, *, gateway: str, cards: list[str] = []) -> None:  # noqa: B006 - settings are copied
        if gateway == "none":
            raise ValueError("gateway 'none' isn't known")
        self.gateway = gateway
        self.cards = cards

    def __call__(self, message: Message) -> Any:
        return (self.gateway, message.body)

    def inner(self, message: Message) -> None: ...


class Child(Charge):
    """Inherits its call."""


@dataclasses.dataclass
class AsDataclass:
    port: int
    name: str = "x"

    def __call__(self, message: Message) -> Any:
        return self.port


class TypedElsewhere:
    def __init__(self, *, share: Fraction, price: Decimal, port: int) -> None: ...
    def __call__(self, message: Message) -> None: ...


class WithoutCall:
    pass


class Raises:
    def __init__(self, *, first: int = 1, second: int = 2) -> None:
        raise KeyError("first")

    def __call__(self, message: Message) -> None: ...


class Leaves:
    def __init__(self) -> None:
        sys.exit(3)

    def __call__(self, message: Message) -> None: ...


class AsyncCall:
    async def __call__(self, message: Message) -> None: ...


async def asynchronous(message: Message) -> None: ...


def generating(message: Message) -> Iterator[int]:
    yield 1


def without_message() -> None: ...


def only_by_name(*, message: Message) -> None: ...


def positional(message: Message, gateway: str, /) -> None: ...


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


decorated = wrapped(with_settings)
decorated_async = wrapped(asynchronous)
partial = functools.partial(with_settings, gateway="fixed")
constant = 3


def reference(name: str) -> str:
    """Of something in this file, unless a whole reference is given."""
    return name if ":" in name or "." in name else f"{HERE}:{name}"


def problems(name: str, **settings: Any) -> list[HandlerProblem]:
    with pytest.raises(HandlerError) as caught:
        bind(reference(name), settings).try_build()
    return list(caught.value.problems)


def sentence(name: str, **settings: Any) -> str:
    [problem] = problems(name, **settings)
    return problem.message


# -- what is built --------------------------------------------------------------------


def test_a_function_is_called_with_the_message() -> None:
    assert bind(f"{HERE}:plain", {}).build()(MESSAGE) == {"n": 1}


def test_a_function_gets_its_settings_by_name() -> None:
    handler = bind(f"{HERE}:with_settings", {"gateway": "g"}).build()
    assert handler(MESSAGE) == ({"n": 1}, "g", 5.0)


def test_a_function_may_take_its_settings_as_a_whole() -> None:
    factory = bind(f"{HERE}:with_all_settings", {"any": 1, "thing": [2]})
    assert factory.build()(MESSAGE) == {"any": 1, "thing": [2]}


def test_a_function_may_take_any_settings() -> None:
    assert bind(f"{HERE}:loosely", {"gateway": "x", "y": 1}).build()(MESSAGE) == ("x", {"y": 1})


def test_a_class_is_built_with_its_settings_once_for_each_slot() -> None:
    factory = bind(f"{HERE}:Charge", {"gateway": "g", "cards": ["1"]})
    one, other = factory.build(), factory.build()
    assert isinstance(one, Charge)
    assert isinstance(other, Charge)
    assert one(MESSAGE) == ("g", {"n": 1})
    one.cards.append("2")
    assert other.cards == ["1"]


@pytest.mark.parametrize("name", ["Child", "decorated"])
def test_what_is_inherited_or_wrapped_counts(name: str) -> None:
    assert problems(name)[0].message.endswith("needs the setting 'gateway'")
    bind(f"{HERE}:{name}", {"gateway": "g"}).try_build()


def test_a_dataclass_is_a_class_like_any_other() -> None:
    assert bind(f"{HERE}:AsDataclass", {"port": 5}).build()(MESSAGE) == 5
    assert sentence("AsDataclass", port="x") == "setting port is 'x', but must be a whole number"


def test_a_partial_is_a_function() -> None:
    assert bind(f"{HERE}:partial", {"timeout": 1}).build()(MESSAGE) == ({"n": 1}, "fixed", 1)


def test_the_defaults_of_the_signature_are_known() -> None:
    factory = bind(f"{HERE}:with_settings", {"gateway": "g"})
    assert (factory.settings, factory.defaults) == ({"gateway": "g"}, {"timeout": 5.0})
    assert factory.reference == f"{HERE}:with_settings"


def test_a_factory_does_not_show_its_settings() -> None:
    assert "hunter2" not in repr(bind(f"{HERE}:loosely", {"password": "hunter2"}))


def test_annotations_that_only_a_type_checker_knows_are_passed_over() -> None:
    bind(f"{HERE}:TypedElsewhere", {"share": 1, "price": "2", "port": 3})
    assert sentence("TypedElsewhere", share=1, price=2, port="3") == "setting port is '3', but must be a whole number"


# -- settings that don't fit ------------------------------------------------------------


def test_every_setting_that_does_not_fit_is_told() -> None:
    assert problems("Charge", gatway="x", cards=[1, "a", {}]) == [
        HandlerProblem("Charge has no setting 'gatway' (did you mean 'gateway'?)", ("gatway",), is_name=True),
        HandlerProblem("Charge needs the setting 'gateway'"),
        HandlerProblem("setting cards[0] is 1, but must be text", ("cards", 0)),
    ]


def test_an_unknown_setting_is_told_with_the_known_ones() -> None:
    assert sentence("with_settings", gateway="g", zzz=1) == (
        "with_settings has no setting 'zzz'; it takes gateway and timeout"
    )
    assert sentence("plain", zzz=1) == "plain has no setting 'zzz'; it takes none"


def test_a_secret_that_does_not_fit_is_not_repeated() -> None:
    with pytest.raises(HandlerError) as caught:
        bind("tests.config.handlers:Send", {"server": "x", "password": ["hunter2"]})
    assert str(caught.value) == "setting password must be text"


# -- classes that refuse their settings ---------------------------------------------------


def test_a_class_that_refuses_a_setting_is_told_at_that_setting() -> None:
    assert problems("Charge", gateway="none") == [
        HandlerProblem("Charge refuses its settings: gateway 'none' isn't known", ("gateway",))
    ]


def test_a_class_that_breaks_is_told_with_its_line() -> None:
    [problem] = problems("Raises", first=1)
    assert problem.trail == ("first",)
    assert problem.message.startswith("Raises refuses its settings: tests/handlers/test_binding.py:")
    assert problem.message.endswith(": KeyError: 'first'")


def test_a_class_that_ends_the_program_is_told() -> None:
    assert sentence("Leaves").endswith("SystemExit: 3")


# -- callables that are none --------------------------------------------------------------


UNCALLABLE = f"handler '{HERE}:{{}}' can't be called with one message: it takes {{}} -> 'None'"
ASYNC = f"handler '{HERE}:{{}}' is 'async def'; handlers are plain functions, which run in threads"
SHAPE = "handler '{}' must be module:callable, such as stages.send_email:SendEmail"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("WithoutCall", "class WithoutCall has no __call__(self, message), so it can't handle a message"),
        ("constant", f"handler '{HERE}:constant' is of type int, and can't be called"),
        ("without_message", UNCALLABLE.format("without_message", "()")),
        ("positional", UNCALLABLE.format("positional", "(message: 'Message', gateway: 'str', /)")),
        ("asynchronous", ASYNC.format("asynchronous")),
        ("decorated_async", ASYNC.format("decorated_async")),
        ("AsyncCall", ASYNC.format("AsyncCall")),
        ("generating", f"handler '{HERE}:generating' is a generator; return a list of bodies instead of yielding them"),
    ],
)  # fmt: skip
def test_what_cannot_take_a_message_is_refused(name: str, reason: str) -> None:
    assert sentence(name) == reason


# -- modules ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("stages.send_email", SHAPE.format("stages.send_email")),
        ("a b:c", SHAPE.format("a b:c")),
        (":x", SHAPE.format(":x")),
        ("tests.handlers.test_bindinc:x", f"there is no module 'tests.handlers.test_bindinc' (did you mean '{HERE}'?)"),
        ("testz.x:x", "there is no module 'testz' (did you mean 'tests'?)"),
        ("tests.handlers.test_binding.x:x", "there is no module 'tests.handlers.test_binding.x'"),
        (f"{HERE}:plan", f"module {HERE} has no 'plan' (did you mean 'plain'?)"),
        (f"{HERE}:Charge.innr", "Charge has no 'innr' (did you mean 'inner'?)"),
        ("tests:handlers", "handler 'tests:handlers' is a module, and can't be called"),
    ],
)  # fmt: skip
def test_a_reference_to_nothing_is_told_with_the_nearest_name(written: str, reason: str) -> None:
    assert sentence(written) == reason


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Write a module of a name of its own; returns the name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    name = f"made_by_{abs(hash(request.node.nodeid))}"

    def write(source: str) -> str:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return name

    return write


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
def test_a_module_that_cannot_be_imported_is_told_with_its_line(
    module: Callable[[str], str], source: str, reason: str
) -> None:
    name = module(source.format())
    found = sentence(f"{name}:x")
    assert found.startswith(f"module {name} can't be imported: " + reason.format(name))


def test_a_module_that_lacks_a_module_is_not_missing_itself(module: Callable[[str], str]) -> None:
    name = module("import stages.there_is_none")
    assert (
        sentence(f"{name}:x") == f"module {name} can't be imported: {name}.py:1: No module named 'stages.there_is_none'"
    )
