"""`module:callable` and its settings → a handler that is ready to be called.

The callable's signature is the specification: settings are bound to it here, once,
so that what is wrong with them is known before anything runs.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
import re
import sys
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from runner.message import Message
from runner.privacy.redaction import is_secret
from runner.settings import MisfitError, Texts, fit
from runner.wording import did_you_mean, listed, quoted, shown

Handler = Callable[[Message], object]
Trail = tuple[str | int, ...]

WHOLE = "settings"
"""A handler with a parameter of this name gets its settings as one mapping, unchecked."""


class HandlerProblem(NamedTuple):
    """A sentence, and the trail that leads to what it is about in the settings, or to
    its name (empty: the handler itself)."""

    message: str
    trail: Trail = ()
    is_name: bool = False


class HandlerError(ValueError):
    """A handler can't be had, for these reasons."""

    def __init__(self, problems: Sequence[HandlerProblem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class HandlerFactory:
    """Makes handlers of one stage: `build()` one for each slot that runs concurrently.

    `settings` are those given, as the handler takes them; `defaults` those that its
    signature adds. `whole` passes them as one argument of that name.
    """

    def __init__(
        self,
        reference: str,
        target: Callable[..., Any],
        settings: Mapping[str, Any],
        defaults: Mapping[str, Any] | None = None,
        *,
        whole: str | None = None,
    ) -> None:
        self.reference = reference
        self.settings = settings
        self.defaults = defaults or {}
        self._target = target
        self._whole = whole

    def __repr__(self) -> str:  # never the settings: they may hold a password
        return f"HandlerFactory({self.reference!r})"

    def build(self) -> Handler:
        """A handler of its own: a new instance of a class, or the function with its
        settings. Raises whatever the class does. Where it is a context manager, the
        caller enters it."""
        settings = copy.deepcopy(dict(self.settings))
        if self._whole:
            settings = {self._whole: settings}
        if inspect.isclass(self._target):
            return typing.cast(Handler, self._target(**settings))
        return partial(self._target, **settings) if settings else self._target

    def try_build(self) -> None:
        """Build one and let it go: the class may refuse its settings. Raises HandlerError."""
        try:
            self.build()
        except (Exception, SystemExit) as error:
            named = [name for name in self.settings if re.search(rf"\b{re.escape(name)}\b", str(error))]
            is_meant = isinstance(error, ValueError) or (isinstance(error, TypeError) and named)
            reason = str(error) if is_meant and str(error) else _reason(error)
            message = f"{_name(self._target)} refuses its settings: {reason}"
            raise HandlerError([HandlerProblem(message, tuple(named) if len(named) == 1 else ())]) from error


def bind(
    reference: str, settings: Mapping[str, Any], *, texts: Mapping[str, Texts] | None = None, folder: Path | None = None
) -> HandlerFactory:
    """The handler that `reference` names, with its settings bound. Raises HandlerError.

    `texts` holds what stands in the file for each setting (see `runner.settings`);
    relative paths start at `folder`.
    """
    target = _find(reference)
    _check_call(target, reference)
    parameters = _parameters(target)
    if _takes_whole(parameters, settings):
        return HandlerFactory(reference, target, dict(settings), whole=WHOLE)
    problems = _misnamed(target, parameters, settings)
    hints = _hints(target, parameters)
    bound: dict[str, Any] = {}
    for name, value in settings.items():
        try:
            bound[name] = fit(value, hints.get(name, Any), (texts or {}).get(name), folder=folder)
        except MisfitError as error:
            problems.append(_misfit((name, *error.trail), error))
    if problems:
        raise HandlerError(problems)
    defaults = {n: p.default for n, p in parameters.items() if p.default is not p.empty and n not in bound}
    return HandlerFactory(reference, target, bound, defaults)


# -- The callable -----------------------------------------------------------------


def _find(reference: str) -> Callable[..., Any]:
    module_name, colon, attributes = reference.partition(":")
    if not (colon and all(part.isidentifier() for part in f"{module_name}.{attributes}".split("."))):
        raise _fault(f"handler {quoted(reference)} must be module:callable, such as stages.send_email:SendEmail")
    target: Any = _import(module_name)
    for name in attributes.split("."):
        if not hasattr(target, name):
            known = did_you_mean(name, [known for known in dir(target) if not known.startswith("_")])
            place = f"module {module_name}" if isinstance(target, ModuleType) else _name(target)
            raise _fault(f"{place} has no {quoted(name)}{known}")
        target = getattr(target, name)
    if not callable(target):
        raise _fault(f"handler {quoted(reference)} is {_kind(target)}, and can't be called")
    return typing.cast(Callable[..., Any], target)


def _fault(sentence: str) -> HandlerError:
    return HandlerError([HandlerProblem(sentence)])


def _kind(target: Any) -> str:
    return "a module" if isinstance(target, ModuleType) else f"of type {type(target).__name__}"


def _import(name: str) -> ModuleType:
    """Import a module. Its own code may raise anything."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise _fault(f"there is no module {quoted(error.name)}{_near_module(error.name)}") from None
        raise _fault(f"module {name} can't be imported: {_reason(error)}") from error
    except (Exception, SystemExit) as error:
        raise _fault(f"module {name} can't be imported: {_reason(error)}") from error


def _near_module(name: str) -> str:
    """Where a module isn't found: the nearest one beside it."""
    package, _, last = name.rpartition(".")
    places = getattr(sys.modules.get(package), "__path__", None) if package else None
    near = did_you_mean(last, [module.name for module in pkgutil.iter_modules(places or sys.path[:1])])
    return near.replace("'", f"'{package}.", 1) if near and package else near


def _reason(error: BaseException) -> str:
    """`stages/x.py:3: No module named 'y'`: the place is the module's, not the import system's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno}: {error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen ")]
    own = [frame for frame in frames if frame.filename not in (__file__, importlib.__file__)]
    name = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
    sentence = f"{name}{error}".removesuffix(": ")
    return f"{_short(own[-1].filename)}:{own[-1].lineno}: {sentence}" if own else sentence


def _short(filename: str) -> str:
    """Relative to the working directory where it lies below it."""
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename


# -- Its signature ------------------------------------------------------------------


def _check_call(target: Callable[..., Any], reference: str) -> None:
    """A handler is a plain function, or a class of such, that takes one message."""
    function = _called(target)
    if function is None:
        raise _fault(f"class {_name(target)} has no __call__(self, message), so it can't handle a message")
    body = inspect.unwrap(function)
    if inspect.iscoroutinefunction(body) or inspect.isasyncgenfunction(body):
        raise _fault(f"handler {quoted(reference)} is 'async def'; handlers are plain functions, which run in threads")
    if inspect.isgeneratorfunction(body):
        raise _fault(f"handler {quoted(reference)} is a generator; return a list of bodies instead of yielding them")
    signature = _signature(function)
    if signature is not None and not _takes_message(signature, inspect.isclass(target)):
        raise _fault(f"handler {quoted(reference)} can't be called with one message: it takes {signature}")


def _called(target: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function that a message is passed to: a class's own `__call__`, not its metaclass's."""
    if not inspect.isclass(target):
        plain = inspect.isroutine(target) or isinstance(target, partial)
        return target if plain else typing.cast(Callable[..., Any], type(target).__call__.__get__(target))
    return next((vars(base)["__call__"] for base in target.__mro__ if "__call__" in vars(base)), None)


def _takes_message(signature: inspect.Signature, bound_later: bool) -> bool:
    """Whether one positional argument will do; what else a function needs are settings,
    what else a class's `__call__` needs nobody passes."""
    needed = [p for p in signature.parameters.values() if p.default is p.empty and p.kind not in _VARIADIC]
    settings = {} if bound_later else {p.name: None for p in needed if p.kind is p.KEYWORD_ONLY}
    arguments = [None, None] if bound_later else [None]
    if not bound_later:
        settings |= {p.name: None for p in needed[1:] if p.kind is p.POSITIONAL_OR_KEYWORD}
    try:
        signature.bind(*arguments, **settings)
    except TypeError:
        return False
    return True


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # built in, without one: only calling it will tell
        return None


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What the settings are bound to: all of a class's, of a function's all but the message."""
    signature = _signature(target)
    if signature is None:
        return {}
    parameters = list(signature.parameters.values())
    if not inspect.isclass(target) and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        parameters = parameters[1:]
    return {parameter.name: parameter for parameter in parameters}


def _takes_whole(parameters: Mapping[str, inspect.Parameter], settings: Mapping[str, Any]) -> bool:
    return WHOLE in parameters and WHOLE not in settings


def _misnamed(
    target: Callable[..., Any], parameters: Mapping[str, inspect.Parameter], settings: Mapping[str, Any]
) -> list[HandlerProblem]:
    """Settings that the signature doesn't know, and those that it lacks."""
    known = [name for name, parameter in parameters.items() if parameter.kind in _BY_NAME]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    problems: list[HandlerProblem] = []
    for name in settings if not takes_any else ():
        if name not in known:
            all_known = f"it takes {listed(known)}" if known else "it takes none"
            hint = did_you_mean(name, known) or f"; {all_known}"
            problems.append(
                HandlerProblem(f"{_name(target)} has no setting {quoted(name)}{hint}", (name,), is_name=True)
            )
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and parameter.kind not in _VARIADIC and name not in settings:
            problems.append(HandlerProblem(f"{_name(target)} needs the setting {quoted(name)}"))
    return problems


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _misfit(trail: Trail, error: MisfitError) -> HandlerProblem:
    """The value is named, unless its setting's name says that it is a secret."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in trail).removeprefix(".")
    value = "" if any(isinstance(part, str) and is_secret(part) for part in trail) else f" is {shown(error.value)}, but"
    return HandlerProblem(f"setting {name}{value} {error}", trail)


def _name(target: Callable[..., Any]) -> str:
    return getattr(target, "__qualname__", type(target).__name__)


def _hints(target: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]) -> Mapping[str, Any]:
    """The annotations, as far as they can be resolved: one that names something imported
    for type checkers only can't."""
    module = sys.modules.get(getattr(target, "__module__", None) or "")
    names = vars(module) if module else {}
    hints: dict[str, Any] = {}
    for name, parameter in parameters.items():
        holder = SimpleNamespace(__annotations__={name: parameter.annotation})
        try:
            hints |= typing.get_type_hints(holder, names)
        except Exception:  # noqa: BLE001 - an annotation may be any expression, and this one isn't checked
            hints[name] = Any
    return {name: Any if hint is inspect.Parameter.empty else hint for name, hint in hints.items()}
