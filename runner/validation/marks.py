"""What the schemas of a body mark: `x-sensitive` (sealed) and `x-forbidden` (not taken at all).

A place in a body is marked if any subschema marks it that may apply there, whichever branch
of an `anyOf` or an `if` it is in, and whatever `$ref` leads to it. Left out: judging a
sealed body (see `runner.validation.resting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

import jsonschema_rs

from runner.privacy.sealed import SHOWS, Show
from runner.validation.misspelling import HOLD_MANY, HOLD_NAMED, HOLD_ONE
from runner.wording import did_you_mean, listed, shown

SENSITIVE, FORBIDDEN = "x-sensitive", "x-forbidden"

_SAME_PLACE_MANY = ("allOf", "anyOf", "oneOf")
_SAME_PLACE_ONE = ("if", "then", "else", "not")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ITEMS = ("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains")
_OTHERS = ("additionalProperties", "unevaluatedProperties")

Subschema = dict[str, Any]


class MarkError(ValueError):
    """A mark isn't written as it has to be; the text is a predicate for the schema."""


class Part(NamedTuple):
    """A subschema, the URI that a `$ref` in it starts at, and the documents that it may lead to."""

    schema: Subschema
    base: str
    documents: Documents

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


def reach(parts: Iterable[Part], found: Callable[[Subschema], bool]) -> bool:
    """Whether some subschema in or behind `parts` is one that is looked for."""
    waiting, seen = list(parts), set[int]()
    while waiting:
        part = waiting.pop()
        if id(part.schema) in seen:
            continue
        seen.add(id(part.schema))
        if found(part.schema):
            return True
        waiting += part.below()
    return False


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


class Place:
    """A place in bodies, with all the marks that may apply there."""

    __slots__ = ("_parts", "_places", "entries", "forbidden", "is_open", "item", "known", "show")

    def __init__(self, entries: Sequence[Part], places: dict[frozenset[int], Place] | None = None) -> None:
        self._places = {} if places is None else places
        self._places[_key(entries)] = self
        self.entries = entries
        """The subschemas for a value here, without those that they consist of."""
        self._parts = list(_applying(entries))
        shows = [_read_show(part.schema[SENSITIVE]) for part in self._parts if SENSITIVE in part.schema]
        self.show: Show | None = min(shows, key=SHOWS.index, default=None)
        """How the value here is sealed: by the mark that shows the least. None: it isn't."""
        self.forbidden = True in [_read_forbidden(part.schema) for part in self._parts]
        names = dict.fromkeys(name for part in self._parts for name in part.schema.get("properties", ()))
        self.known: dict[str, Place | None] = {name: self._place(self._for_name(name)) for name in names}
        """The places of the members that the schemas name; None where nothing is marked."""
        self.is_open = any(True for _ in self._held(*_OTHERS, "patternProperties"))
        """Whether members that no schema names may be marked."""
        self.item = self._place(self._held(*_ITEMS))
        """The place of each item of a list."""

    def member(self, name: str) -> Place | None:
        """The place of a member."""
        if name in self.known:
            return self.known[name]
        return self._place(self._for_name(name)) if self.is_open else None

    def at(self, trail: Iterable[str | int]) -> Place | None:
        """The place that names and indexes lead to from here."""
        place: Place | None = self
        for step in trail:
            if place is None:
                return None
            place = place.member(step) if isinstance(step, str) else place.item
        return place

    def below(self) -> Iterator[Place]:
        """Every place inside of a value here that is marked, or leads to one that is."""
        others = [self._place([part]) for part in self._held(*_OTHERS, "patternProperties")]
        yield from (place for place in (*self.known.values(), self.item, *others) if place is not None)

    def _place(self, parts: Iterable[Part]) -> Place | None:
        parts = list(parts)
        if not reach(parts, _is_marked):
            return None
        return self._places.get(_key(parts)) or Place(parts, self._places)

    def _held(self, *keywords: str) -> Iterator[Part]:
        for part in self._parts:
            for keyword in keywords:
                value = part.schema.get(keyword)
                if keyword in HOLD_NAMED and value is not None:
                    value = list(value.values())
                yield from part.of(*(value if isinstance(value, list) else [value]))

    def _for_name(self, name: str) -> Iterator[Part]:
        for part in self._parts:
            schema = part.schema
            named = [schema["properties"][name]] if name in schema.get("properties", ()) else []
            named += [one for pattern, one in schema.get("patternProperties", {}).items() if _matches(pattern)(name)]
            yield from part.of(*(named or [schema.get(keyword) for keyword in _OTHERS]))


def _key(parts: Iterable[Part]) -> frozenset[int]:
    return frozenset(id(part.schema) for part in parts)


def _applying(parts: Iterable[Part]) -> Iterator[Part]:
    """`parts` and all that they consist of, for the same place."""
    waiting, seen = list(parts), set[int]()
    while waiting:
        part = waiting.pop()
        if id(part.schema) in seen:
            continue
        seen.add(id(part.schema))
        yield part
        schema = part.schema
        waiting += part.of(*(schema.get(keyword) for keyword in _SAME_PLACE_ONE))
        for keyword in _SAME_PLACE_MANY:
            waiting += part.of(*schema.get(keyword, ()))
        for keyword in ("dependentSchemas", "dependencies"):
            waiting += part.of(*schema.get(keyword, {}).values())
        waiting += part.referred()


def find_marks(documents: Documents) -> Place | None:
    """The place of a whole body; None if nothing in it is marked. Raises MarkError."""
    if not reach([documents.root], _is_marked):
        return None
    root = Place([documents.root])
    if root.show or root.forbidden:
        raise MarkError(f"marks the whole body {SENSITIVE} or {FORBIDDEN}; mark its properties")
    return root


def union(places: Iterable[Place | None]) -> Place | None:
    """The place of bodies that all of these are the places of; None if there is none."""
    known = list({id(place): place for place in places if place is not None}.values())
    return (
        known[0] if len(known) == 1 else Place([part for place in known for part in place.entries]) if known else None
    )


def is_sensitive(root: Place, field: str) -> bool:
    """Whether a field, as `reveal` names it (`card.number`, without indexes), is sealed."""
    places = [root]
    for name in field.split("."):
        places = [below for place in places for at in _with_items(place) if (below := at.member(name)) is not None]
    return any(at.show for place in places for at in _with_items(place))


def _with_items(place: Place) -> Iterator[Place]:
    """`place`, and the items of the lists that may stand there."""
    seen = set[int]()
    at: Place | None = place
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.item


def sensitive_fields(root: Place, within: str = "", depth: int = 4) -> Iterator[str]:
    """The sealed fields that the schemas name, down to a certain depth."""
    for at in _with_items(root) if depth else ():
        if at.show and within:
            yield within
        for name, below in at.known.items():
            if below is not None:
                yield from sensitive_fields(below, f"{within}.{name}".removeprefix("."), depth - 1)


def marked_places(root: Place) -> Iterator[Place]:
    """All places from `root` on, each once."""
    waiting, seen = [root], set[int]()
    while waiting:
        place = waiting.pop()
        if id(place) not in seen:
            seen.add(id(place))
            yield place
            waiting += place.below()


def _is_marked(schema: Subschema) -> bool:
    return SENSITIVE in schema or FORBIDDEN in schema


def _read_show(mark: Any) -> Show:
    example = f'must be {{"show": "last4"}}, or {listed(SHOWS, "or")} instead'
    if not isinstance(mark, dict) or set(mark) != {"show"}:
        raise MarkError(f"has {SENSITIVE} {shown(mark)}, which {example}")
    if mark["show"] not in SHOWS:
        hint = did_you_mean(mark["show"], SHOWS) if isinstance(mark["show"], str) else ""
        raise MarkError(f"has {SENSITIVE} with show {shown(mark['show'])}, which must be {listed(SHOWS, 'or')}{hint}")
    show: Show = mark["show"]
    return show


def _read_forbidden(schema: Subschema) -> bool:
    mark = schema.get(FORBIDDEN, False)
    if not isinstance(mark, bool):
        raise MarkError(f"has {FORBIDDEN} {shown(mark)}, which must be true or false")
    return mark


@lru_cache(maxsize=256)
def _matches(pattern: str) -> Callable[[str], bool]:
    """As the validator matches it: ECMA 262."""
    return jsonschema_rs.validator_for({"pattern": pattern}).is_valid
