"""The subschemas of a schema, and what each `$ref` in them leads to.

They are the objects of the documents themselves, not copies: a subschema is known by its
identity. (`jsonschema_rs` resolves a `$ref` to a copy.) Left out: what they say of a body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from runner.validation.misspelling import HOLD_MANY, HOLD_NAMED, HOLD_ONE

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

Subschema = dict[str, Any]


class Part(NamedTuple):
    """A subschema, the URI that a `$ref` in it starts at, and the documents that it may lead to."""

    schema: Subschema
    base: str
    documents: Documents

    @property
    def is_old(self) -> bool:
        """Whether its document is of a draft before 2020-12."""
        return "2020-12" not in str(self.documents.root.schema.get("$schema", "2020-12"))

    def of(self, *values: Any) -> Iterator[Part]:
        """The objects among values of its keywords, as parts."""
        base = rebased(self.schema, self.base)
        return (Part(value, base, self.documents) for value in values if isinstance(value, dict))

    def referred(self) -> Iterator[Part]:
        """What its `$ref`s lead to."""
        base = rebased(self.schema, self.base)
        found = (self.documents.target(self.schema[name], base) for name in _REFERENCES if name in self.schema)
        return (part for part in found if part is not None)

    def below(self) -> Iterator[Part]:
        """The subschemas directly in it, and those that it refers to."""
        yield from self.referred()
        for keyword, value in self.schema.items():
            if keyword in HOLD_ONE:
                yield from self.of(value)
            if keyword in HOLD_MANY and isinstance(value, list):
                yield from self.of(*value)
            elif keyword in HOLD_NAMED and keyword not in ("$defs", "definitions") and isinstance(value, dict):
                yield from self.of(*value.values())


def walk(parts: Iterable[Part], onward: Callable[[Part], Iterable[Part]]) -> Iterator[Part]:
    """`parts`, and what `onward` leads to from each of them: every subschema once."""
    waiting, seen = list(parts), set[int]()
    while waiting:
        part = waiting.pop()
        if id(part.schema) not in seen:
            seen.add(id(part.schema))
            yield part
            waiting += onward(part)


def reach(parts: Iterable[Part], found: Callable[[Subschema], bool]) -> bool:
    """Whether some subschema in or behind `parts` is one that is looked for."""
    return any(found(part.schema) for part in walk(parts, Part.below))


class Documents:
    """The documents that a schema is made of, by URI, and what each `$ref` in them leads to."""

    def __init__(self, document: Subschema, base: str, others: Mapping[str, Any]) -> None:
        self.root = Part(document, base, self)
        self._all: dict[str, Any] = {**others, base: document}
        for uri, one in list(self._all.items()):
            for schema, at in _objects(one, uri):
                for anchor in ("$anchor", "$dynamicAnchor"):
                    if isinstance(name := schema.get(anchor), str):
                        self._all[f"{at}#{name}"] = schema
                if "$id" in schema:
                    self._all.setdefault(at, schema)

    def target(self, reference: Any, base: str) -> Part | None:
        """What a `$ref` leads to, if it is an object."""
        uri, fragment = urldefrag(urljoin(base, str(reference)))
        if fragment and f"{uri}#{fragment}" in self._all:
            return Part(self._all[f"{uri}#{fragment}"], uri, self)
        found = self._all.get(uri)
        for step in unquote(fragment).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                uri, found = rebased(found, uri), found.get(name)
            elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return Part(found, uri, self) if isinstance(found, dict) else None


def _objects(document: Any, base: str) -> Iterator[tuple[Subschema, str]]:
    """Every object in a document, subschema or not, with the base inside of it."""
    waiting = [(document, base)]
    while waiting:
        value, base = waiting.pop()
        if isinstance(value, dict):
            base = rebased(value, base)
            yield value, base
            waiting += [(member, base) for member in value.values()]
        elif isinstance(value, list):
            waiting += [(item, base) for item in value]


def rebased(schema: Subschema, base: str) -> str:
    """The base inside of a subschema."""
    return urljoin(base, schema["$id"]) if isinstance(schema.get("$id"), str) else base
