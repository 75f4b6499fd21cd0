"""The words with which a handler is refused."""

from __future__ import annotations

from typing import Any

import pytest

from runner.handlers.binding import bind
from runner.handlers.problems import HandlerError, HandlerProblem
from tests.handlers.samples import HERE


def reference(name: str) -> str:
    """Of one of the samples, unless a whole reference is given."""
    return name if ":" in name or "." in name else f"{HERE}:{name}"


def problems(name: str, **settings: Any) -> list[HandlerProblem]:
    with pytest.raises(HandlerError) as caught:
        bind(reference(name), settings).try_build()
    return list(caught.value.problems)


def sentence(name: str, **settings: Any) -> str:
    [problem] = problems(name, **settings)
    return problem.message
