"""Why a handler can't be made: problems, each with its place in the settings."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runner.errors import Trail


class HandlerProblem(NamedTuple):
    """A sentence, and the trail that leads to what it is about in the settings, or to
    its name (empty: the handler itself)."""

    message: str
    trail: Trail = ()
    is_name: bool = False


class HandlerError(ValueError):
    """A handler can't be made, for these reasons."""

    def __init__(self, problems: Sequence[HandlerProblem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


def unusable(sentence: str) -> HandlerError:
    """A HandlerError for one problem, which is about the handler itself."""
    return HandlerError([HandlerProblem(sentence)])


def name_of(target: Callable[..., Any]) -> str:
    """The name by which people know a callable."""
    return getattr(target, "__qualname__", type(target).__name__)


def reason(error: BaseException) -> str:
    """`stages/x.py:3: No module named 'y'`: the place is the module's, not the import system's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno}: {error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen ")]
    own = [frame for frame in frames if frame.filename not in (*_OURS, importlib.__file__)]
    name = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
    sentence = f"{name}{error}".removesuffix(": ")
    return f"{_short(own[-1].filename)}:{own[-1].lineno}: {sentence}" if own else sentence


def _short(filename: str) -> str:
    """Relative to the working directory if it is inside it."""
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename


_OURS = tuple(
    str(Path(__file__).with_name(name)) for name in ("factory.py", "modules.py", "reference.py", "problems.py")
)
"""This package's own files, which appear in the traceback of whatever it imports and builds."""
