"""The values of a document, one by one: what breaks the grammar is passed over, and what can't be read is noted.

Left out: what the values mean (see `draft`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from runner.config import grammar
from runner.config.sections.formats import address, whole
from runner.config.yaml.document import Document
from runner.errors import Problem, Trail
from runner.message import Destination
from runner.paths import check_path
from runner.pipeline import Address, JsonSchema, Route
from runner.units import format_duration, parse_duration

T = TypeVar("T")

LONGEST_WAIT = 30 * 86_400.0
"""Seconds. RabbitMQ's limit of a time-to-live is 2^32 ms, some 49 days."""
LONGEST_KEEP = 3660 * 86_400.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class WrittenRoute:
    """A route of a `publish`, and its place."""

    trail: Trail
    to: tuple[tuple[Destination, Trail], ...]
    when: JsonSchema | None = None

    @property
    def route(self) -> Route:
        return Route(tuple(destination for destination, _ in self.to), self.when)


class Values:
    """The values of `document`, which is what `file` says, without those that `invalid` leads to."""

    def __init__(self, document: Document, file: Path, invalid: frozenset[Trail]) -> None:
        self.document = document
        self.file = file
        self.invalid = invalid
        self.problems: list[Problem] = []
        self.has_gaps = False
        """Whether a value is missing that says which queue leads where."""
        self.routes: dict[Trail, tuple[WrittenRoute, ...]] = {}
        """Of each stage or HTTP route its `publish`."""

    def value(self, trail: Trail) -> Any:
        """The value there, if the grammar allows it; else None."""
        node = self.document.node(trail)
        if node is None or node.broken or trail in self.invalid:
            return None
        return node.value

    def variable(self, trail: Trail) -> str | None:
        """The variable that names all of the value there."""
        node = self.document.node(trail)
        return node.variable if node is not None else None

    def wiring(self, trail: Trail, *, needed: bool = False) -> Any:
        """A value that says which queue leads where. If it can't be read, the draft has a gap."""
        value = self.value(trail)
        if value is None and (needed or self.document.node(trail) is not None):
            self.has_gaps = True
        return value

    def entries(self, trail: Trail) -> Iterator[str]:
        """The names of the entries of a mapping that can be read."""
        node = self.document.node(trail)
        if node is not None and not isinstance(self.wiring(trail), dict):
            self.has_gaps = node.value is not None
            return
        for name, child in node.children.items() if node is not None else ():
            if (*trail, name) in self.invalid or child.broken:
                self.has_gaps = True
            else:
                yield str(name)

    def indexes(self, trail: Trail) -> Iterator[int]:
        """The indexes of a list's items that can be read."""
        for index in range(len(self.wiring(trail) or ())):
            if self.wiring((*trail, index), needed=True) is not None:
                yield index

    def texts(self, trail: Trail) -> Iterator[str]:
        """Those of a list that can be read."""
        values = (self.value((*trail, index)) for index in range(len(self.value(trail) or ())))
        yield from (value for value in values if value is not None)

    def parsed(self, trail: Trail, parse: Callable[[Any], T]) -> T | None:
        """The value there as `parse` reads it. Its ValueError becomes a problem."""
        value = self.value(trail)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.problem(trail, f"{grammar.subject(trail)} {error}")
            return None

    def duration(self, trail: Trail, lowest: float, highest: float) -> float | None:
        def parse(value: Any) -> float:
            seconds = parse_duration(value)
            if not lowest <= seconds <= highest:
                bounds = f"from {format_duration(lowest)} to {format_duration(highest)}"
                raise ValueError(f"is {format_duration(seconds)}, but must be {bounds}")
            return round(seconds, 3)

        return self.parsed(trail, parse)

    def problem(self, trail: Trail, message: str, *, key: bool = False) -> None:
        self.problems.append(self.document.problem(trail, message, key=key))

    def path(self, text: str) -> Path:
        return self.file.parent / text

    def file_at(self, text: str) -> Path:
        check_path(self.path(text), "file")
        return self.path(text)

    def folder(self, text: str) -> Path:
        check_path(self.path(text), "folder")
        return Path(text)

    def listen(self, part: str) -> Address | None:
        return self.parsed((part, "listen"), address)

    def whole(self, trail: Trail) -> int | None:
        return self.parsed(trail, whole)


def given(**values: Any) -> dict[str, Any]:
    """Those that are given; the others keep the model's defaults."""
    return {name: value for name, value in values.items() if value is not None}
