"""A handler's reference and its settings → a factory of handlers.

Binds settings to the signature once, so that whatever is wrong with them is known before
anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Any

from runner.errors import Trail
from runner.handlers.coercion import MisfitError, Texts, coerce
from runner.handlers.factory import HandlerFactory
from runner.handlers.problems import HandlerError, HandlerProblem, name_of
from runner.handlers.reference import find
from runner.handlers.signature import BY_NAME, VARIADIC, annotations_of, check_call, parameters
from runner.privacy.redaction import is_secret
from runner.wording import did_you_mean, listed, quoted, shown

WHOLE = "settings"
"""A handler with a parameter of this name gets all its settings as one mapping, unchecked."""


def bind(
    reference: str,
    settings: Mapping[str, Any],
    *,
    texts: Mapping[str, Texts] | None = None,
    secrets: Mapping[Trail, str] | None = None,
    folder: Path | None = None,
) -> HandlerFactory:
    """The handler that `reference` names, with its settings bound. Raises HandlerError.

    `texts` holds what the file says for each setting (see `runner.handlers.coercion`),
    `secrets` the texts of those that are never shown. Modules and relative paths are looked
    up in `folder` first.
    """
    target = find(reference, folder)
    check_call(target, reference)
    known = parameters(target)
    if _takes_whole(known, settings):
        return HandlerFactory(reference, target, dict(settings), secrets=secrets, whole=WHOLE)
    problems = _misnamed(target, known, settings)
    hints = annotations_of(target, known)
    bound: dict[str, Any] = {}
    for name, value in settings.items():
        try:
            bound[name] = coerce(value, hints.get(name, Any), (texts or {}).get(name), folder=folder)
        except MisfitError as error:
            problems.append(_misfit((name, *error.trail), error, secrets or {}))
    if problems:
        raise HandlerError(problems)
    defaults = {n: p.default for n, p in known.items() if p.default is not p.empty and n not in bound}
    return HandlerFactory(reference, target, bound, defaults, secrets=secrets)


def _takes_whole(parameters: Mapping[str, Parameter], settings: Mapping[str, Any]) -> bool:
    return WHOLE in parameters and WHOLE not in settings


def _misnamed(
    target: Callable[..., Any], parameters: Mapping[str, Parameter], settings: Mapping[str, Any]
) -> list[HandlerProblem]:
    """Settings that the signature doesn't know, and those that it lacks."""
    known = [name for name, parameter in parameters.items() if parameter.kind in BY_NAME]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    problems: list[HandlerProblem] = []
    for name in settings if not takes_any else ():
        if name not in known:
            all_known = f"it takes {listed(known)}" if known else "it takes none"
            hint = did_you_mean(name, known) or f"; {all_known}"
            problems.append(
                HandlerProblem(f"{name_of(target)} has no setting {quoted(name)}{hint}", (name,), is_name=True)
            )
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and parameter.kind not in VARIADIC and name not in settings:
            problems.append(HandlerProblem(f"{name_of(target)} needs the setting {quoted(name)}"))
    return problems


def _misfit(trail: Trail, error: MisfitError, secrets: Collection[Trail]) -> HandlerProblem:
    """Names the value, unless its setting's name or `secrets` makes it a secret."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in trail).removeprefix(".")
    hidden = trail in secrets or any(isinstance(part, str) and is_secret(part) for part in trail)
    value = "" if hidden else f" is {shown(error.value)}, but"
    return HandlerProblem(f"setting {name}{value} {error}", trail)
