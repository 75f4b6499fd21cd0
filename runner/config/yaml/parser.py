"""YAML text → a document.

Scalars follow YAML 1.2's core schema, so `on`, `no`, `1:30` and `012` are text; keys are
always text. Variables are replaced after the structure has been read, so they can't change it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from runner.config.yaml import syntax
from runner.config.yaml.document import Document, Node, Place
from runner.config.yaml.scalars import resolve
from runner.config.yaml.variables import expand
from runner.errors import Problem, Severity
from runner.wording import did_you_mean, encodable, quoted

MOST_VALUES = 50_000
DEEPEST = 50
LONGEST_TEXT = 4 << 20
"""Characters of all values together, with variables replaced."""
MOST_HINTS = 20
"""How many problems suggest the nearest anchor."""
_STR_TAG = "tag:yaml.org,2002:str"
_LONE_VARIABLE = re.compile(r"\$[A-Z_][A-Z0-9_]*")


class UnreadableError(Exception):
    """The text is not YAML, and reading can't go on; `problems` says why, and lists earlier ones."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(*problems)
        self.problems = problems


def parse_yaml(source: bytes, file: str, environ: Mapping[str, str]) -> Document:
    """The one document in `source`. `file` is its name in problems, and paths of variables
    start at its folder. Raises UnreadableError."""
    problems: list[Problem] = []
    try:
        text = _decode(source)
        root = _Composer(text, file, environ, problems).document()
    except syntax.YamlSyntaxError as error:
        problems.append(Problem(file, error.line, error.column, error.reason))
        raise UnreadableError(sorted(problems)) from None
    return Document(file, root, problems)


def _decode(source: bytes) -> str:
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = source[: error.start].decode("utf-8-sig", "ignore")  # half a byte order mark, say
        line, column = syntax.place_in(before, len(before))
        raise syntax.YamlSyntaxError(line, column, "this isn't UTF-8 text; save the file as UTF-8") from None


class _Events(Reader, Scanner, Parser):
    """PyYAML's parser in Python (not in C): it knows places, and survives deep nesting."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


class _Composer:
    """PyYAML's events → nodes."""

    def __init__(self, text: str, file: str, environ: Mapping[str, str], problems: list[Problem]) -> None:
        self._source = text
        self._file = file
        self._folder = Path(file).parent
        self._environ = environ
        self._problems = problems
        self._anchors: dict[str, Node | None] = {}
        self._read = 0
        self._expanded = 0
        with syntax.explained(text, lambda: None):
            self._events = _Events(text)

    # -- the document

    def document(self) -> Node:
        self._next()  # the start of the stream
        if isinstance(self._peek(), StreamEndEvent):
            return Node(None, (1, 1))
        self._next()  # the start of the document
        root = self._node(0)
        self._next()  # and its end
        if not isinstance(second := self._peek(), StreamEndEvent):
            self._report(second, "a second document begins here; a pipeline is one document")
        return root

    def _next(self) -> Event:
        with syntax.explained(self._source, self._events.get_mark):
            event: Event = self._events.get_event()  # type: ignore[no-untyped-call]
            return event

    def _peek(self) -> Event:
        with syntax.explained(self._source, self._events.get_mark):
            event: Event = self._events.peek_event()  # type: ignore[no-untyped-call]
            return event

    def _report(self, event: Event, message: str, severity: Severity = "error") -> None:
        line, column = _place(event)
        self._problems.append(Problem(self._file, line, column, message, severity))

    def _stop(self, event: Event, reason: str) -> syntax.YamlSyntaxError:
        return syntax.YamlSyntaxError(*_place(event), reason)

    # -- nodes

    def _node(self, depth: int) -> Node:
        event = self._next()
        self._read += 1
        if self._read > MOST_VALUES:
            raise self._stop(event, f"this file has more than {MOST_VALUES} values")
        if depth > DEEPEST:
            raise self._stop(event, f"this is nested more than {DEEPEST} deep")
        assert isinstance(event, NodeEvent)  # by YAML's own grammar
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if event.anchor:
            self._anchors[event.anchor] = None
        node = self._content(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        if node.size > MOST_VALUES:
            raise self._stop(event, f"aliases make this more than {MOST_VALUES} values")
        return node

    def _content(self, event: NodeEvent, depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        self._check_tag(event)
        return self._mapping(event, depth) if isinstance(event, MappingStartEvent) else self._sequence(event, depth)

    def _alias(self, event: AliasEvent) -> Node:
        name = str(event.anchor)
        node = self._anchors.get(name)
        if node is not None:
            return node
        if name in self._anchors:
            self._report(event, f"alias *{name} is inside what it names")
        else:
            hint = did_you_mean(name, self._anchors) if len(self._problems) < MOST_HINTS else ""
            self._report(event, f"alias *{name} names an anchor that isn't defined above{hint}")
        return Node(None, _place(event), broken=True)

    def _check_tag(self, event: Any) -> bool:
        """Whether a tag makes a scalar text; any other tag is a fault."""
        if event.tag == _STR_TAG and isinstance(event, ScalarEvent):
            return True
        if event.tag not in (None, "!"):
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._report(event, f"the tag {quoted(tag)} isn't understood here; quote a value to make it text")
        return False

    # -- scalars

    def _scalar(self, event: ScalarEvent) -> Node:
        is_text = self._check_tag(event) or not event.implicit[0]
        expanded = expand(event.value, self._environ, self._folder)
        text = self._bounded(event, expanded.text)
        for problem in expanded.problems:
            place = self._place_of_variable(event, problem.ordinal)
            self._problems.append(Problem(self._file, *place, problem.reason))
        if _LONE_VARIABLE.fullmatch(text) and text == event.value:
            hint = f"{text} is taken literally; write ${{{text[1:]}}} for the variable"
            self._report(event, f"{hint}, or ${text} for the text", "warning")
        broken = bool(expanded.problems) or self._has_surrogate(text, event)
        text = encodable(text)
        value = text if is_text else resolve(text)
        return Node(value, _place(event), text, broken=broken, source=expanded.source, variable=expanded.variable)

    def _bounded(self, event: ScalarEvent, text: str) -> str:
        self._expanded += len(text)
        if self._expanded > LONGEST_TEXT:
            raise self._stop(event, f"variables make the texts of this file more than {LONGEST_TEXT} characters long")
        return text

    def _has_surrogate(self, text: str, event: ScalarEvent) -> bool:
        """Half a UTF-16 pair (`"\\ud800"`, or a variable that isn't UTF-8) fits in no message."""
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._report(event, "this text has half of a surrogate pair in it, which isn't valid Unicode")
            return True
        return False

    def _place_of_variable(self, event: ScalarEvent, ordinal: int) -> Place:
        """The place of the `${` with this number; the scalar's start if escapes hide it."""
        start: Any = event.start_mark
        end: Any = event.end_mark
        index = start.index - 1
        for _ in range(ordinal + 1):
            index = self._source.find("${", index + 1, end.index)
            if index < 0:
                return _place(event)
        line, column = syntax.place_in(self._source[start.index : index], index - start.index)
        return start.line + line, column + (start.column if line == 1 else 0)

    # -- collections

    def _sequence(self, start: NodeEvent, depth: int) -> Node:
        node = Node([], _place(start))
        while not isinstance(self._peek(), SequenceEndEvent):
            child = self._node(depth + 1)
            index = len(node.value)
            node.value.append(child.value)
            node.children[index] = child
            node.keys[index] = child.place
            node.size += child.size
        self._next()
        return node

    def _mapping(self, start: NodeEvent, depth: int) -> Node:
        node = Node({}, _place(start))
        merged: list[tuple[Event, Node]] = []
        while not isinstance(self._peek(), MappingEndEvent):
            key_event = self._peek()
            key = self._key(depth)
            child = self._node(depth + 1)
            if key == "<<" and isinstance(key_event, ScalarEvent) and key_event.implicit[0]:
                merged.append((key_event, child))
            elif key is not None:
                self._enter(node, key, key_event, child)
        self._next()
        for key_event, source in merged:
            self._merge(node, source, key_event)
        return node

    def _key(self, depth: int) -> str | None:
        """A key's text as it is written; None if it isn't text."""
        event = self._peek()
        if isinstance(event, ScalarEvent):
            self._next()
            self._check_tag(event)
            place = _place(event)
            if event.anchor:
                text = encodable(event.value)
                self._anchors[event.anchor] = Node(text, place, text)
            return None if self._has_surrogate(event.value, event) else str(event.value)
        node = self._node(depth + 1)
        if node.text is None and not node.broken:
            self._report(event, "a key must be text; quote text that begins with '{' or '['")
        return node.text

    def _enter(self, node: Node, key: str, event: Event, child: Node) -> None:
        if key in node.value:
            first = node.keys[key][0]
            self._report(event, f"key {quoted(key)} is given twice, first on line {first}; remove one")
            return
        node.value[key] = child.value
        node.children[key] = child
        node.keys[key] = _place(event)
        node.size += child.size

    def _merge(self, node: Node, source: Node, event: Event) -> None:
        """YAML's `<<`: what a mapping lacks, from other mappings; an earlier one wins."""
        sources = list(source.children.values()) if isinstance(source.value, list) else [source]
        for other in sources:
            if not isinstance(other.value, dict):
                if not other.broken:
                    self._report(event, "'<<' takes a mapping, or a list of mappings")
                continue
            for key, child in other.children.items():
                if key not in node.children:
                    node.value[key] = child.value
                    node.children[key] = child
                    node.keys[key] = other.keys[key]
                    node.size += child.size


def _place(event: Event) -> Place:
    mark: Any = event.start_mark
    return mark.line + 1, mark.column + 1
