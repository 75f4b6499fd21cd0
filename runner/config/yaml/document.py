"""A file as values, each with its place in it.

Left out: reading them (see `runner.config.yaml.parser`), and what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.config.yaml.variables import Source
from runner.errors import Problem, Severity, Trail
from runner.wording import one_line

Place = tuple[int, int]
"""Line and column, from 1."""


@dataclass(slots=True)
class Node:
    """A value, with its place and those of its parts."""

    value: Any
    place: Place
    text: str | None = None
    """Of a scalar: its text, with the variables replaced."""
    children: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str | int, Place] = field(default_factory=dict)
    size: int = 1
    """How many values it has in all; those of an alias count at each use."""
    broken: bool = False
    """Something in it was reported, so its value means nothing."""
    source: Source = Source.TEXT
    """Of a scalar: where it came from."""
    variable: str | None = None
    """Of a scalar: the variable that names all of it."""

    @property
    def texts(self) -> Any:
        """Its texts, in the shape of the value (see `runner.handlers.coercion`)."""
        if isinstance(self.value, dict):
            return {key: child.texts for key, child in self.children.items()}
        if isinstance(self.value, list):
            return [child.texts for child in self.children.values()]
        return self.text

    def secrets(self, least: Source = Source.VARIABLE) -> Iterator[tuple[Trail, str]]:
        """What came from variables, or only from files: the trail to it from here, and its text."""
        if self.source >= least:
            yield (), self.text or ""
        for step, child in self.children.items():
            yield from (((step, *trail), text) for trail, text in child.secrets(least))


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document, and what was wrong with it on the way."""

    file: str
    root: Node
    problems: Sequence[Problem]

    def node(self, trail: Trail) -> Node | None:
        """The value that `trail` leads to; None if there is none."""
        node: Node | None = self.root
        for step in trail:
            node = node.children.get(step) if node is not None else None
        return node

    def place(self, trail: Trail, *, key: bool = False) -> Place:
        """The place of the value, or of its key. A missing value has the place of its nearest
        parent's key."""
        node = self.root
        place = node.place
        for depth, step in enumerate(trail, start=1):
            if step not in node.children:
                return place
            wants_key = depth == len(trail) and key
            missing_next = depth < len(trail) and trail[depth] not in node.children[step].children
            place = node.keys[step] if wants_key or missing_next else node.children[step].place
            node = node.children[step]
        return place

    def problem(self, trail: Trail, message: str, *, key: bool = False, severity: Severity = "error") -> Problem:
        line, column = self.place(trail, key=key)
        return Problem(self.file, line, column, one_line(message), severity, one_line(".".join(map(str, trail))))
