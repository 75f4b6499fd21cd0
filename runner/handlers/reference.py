"""`module:callable` → the callable that it names."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from runner.handlers.modules import import_first_from
from runner.handlers.problems import HandlerError, name_of, reason, unusable
from runner.wording import did_you_mean, quoted


def find(reference: str, folder: Path | None = None) -> Callable[..., Any]:
    """The callable; its module comes from `folder` if it is there, else from what is installed.

    Raises HandlerError if there is none, or its module can't be imported.
    """
    module_name, colon, attributes = reference.partition(":")
    if not (colon and all(part.isidentifier() for part in f"{module_name}.{attributes}".split("."))):
        raise unusable(f"handler {quoted(reference)} must be module:callable, such as stages.send_email:SendEmail")
    target: Any = _import(module_name, folder)
    for name in attributes.split("."):
        if not hasattr(target, name):
            known = did_you_mean(name, [known for known in dir(target) if not known.startswith("_")])
            place = f"module {module_name}" if isinstance(target, ModuleType) else name_of(target)
            raise unusable(f"{place} has no {quoted(name)}{known}")
        target = getattr(target, name)
    if not callable(target):
        raise unusable(f"handler {quoted(reference)} is {_kind(target)}, and can't be called")
    return typing.cast(Callable[..., Any], target)


def _kind(target: Any) -> str:
    return "a module" if isinstance(target, ModuleType) else f"of type {type(target).__name__}"


def _import(name: str, folder: Path | None) -> ModuleType:
    """Import a module. Its own code may raise anything."""
    try:
        return import_first_from(folder, name) if folder else importlib.import_module(name)
    except HandlerError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise unusable(f"there is no module {quoted(error.name)}{_near_module(error.name)}") from None
        raise unusable(f"module {name} can't be imported: {reason(error)}") from error
    except (Exception, SystemExit) as error:
        raise unusable(f"module {name} can't be imported: {reason(error)}") from error


def _near_module(name: str) -> str:
    """A hint for a module that isn't found: the nearest one beside it."""
    package, _, last = name.rpartition(".")
    places = getattr(sys.modules.get(package), "__path__", None) if package else None
    near = did_you_mean(last, [module.name for module in pkgutil.iter_modules(places or sys.path[:1])])
    return near.replace("'", f"'{package}.", 1) if near and package else near
