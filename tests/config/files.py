"""Pipeline files for tests, with marks where something is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.config.loader import LoadedPipeline, load
from runner.errors import ConfigError, Problem

TAKE = "handler: tests.config.handlers:take"

LINE = f"""
http: {{routes: {{POST /in: {{publish: a}}}}}}
queues: {{a: {{schema: any.json}}, b: {{}}, c: {{}}}}
stages:
  one: {{consume: a, {TAKE}, publish: b}}
  two: {{consume: b, {TAKE}, publish: c}}
  end: {{consume: c, {TAKE}}}
"""
"""A pipeline without problems, as long as `any.json` is there."""

MARK = "¦"
"""Stands before each place in a text where a problem is expected."""


def places(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """A text without its marks, and the line and column of each."""
    found = []
    for number, line in enumerate(marked.split("\n"), start=1):
        before = 0
        for part in line.split(MARK)[:-1]:
            before += len(part)
            found.append((number, before + 1))
    return marked.replace(MARK, ""), found


def changed(old: str, new: str, more: str = "") -> str:
    """`LINE` with something else instead of `old`."""
    assert old in LINE
    return LINE.replace(old, new) + more


def problems_of(text: str, environ: Mapping[str, str] | None = None) -> list[Problem]:
    """Write `text` to pipeline.yaml in the working directory, and load it."""
    Path("pipeline.yaml").write_text(text, encoding="utf-8")
    try:
        return list(load(Path("pipeline.yaml"), environ=environ or {}).warnings)
    except ConfigError as error:
        return list(error.problems)


def loaded(text: str, environ: Mapping[str, str] | None = None) -> LoadedPipeline:
    """As `problems_of`, for a text without errors."""
    Path("pipeline.yaml").write_text(text, encoding="utf-8")
    return load(Path("pipeline.yaml"), environ=environ or {})


def check_problems(marked: str, expected: list[str], severity: str, environ: Mapping[str, str] | None = None) -> None:
    """The problems of one severity stand at the marks, with these messages."""
    text, marks = places(marked)
    found = [problem for problem in problems_of(text, environ) if problem.severity == severity]
    shown = [(problem.line, problem.column, problem.message) for problem in found]
    assert shown == [(*mark, message) for mark, message in zip(marks, expected, strict=True)]
