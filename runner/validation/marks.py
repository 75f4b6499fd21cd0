"""What the schemas of a body mark: `x-sensitive` (sealed) and `x-forbidden` (not taken at all).

A place in a body is marked if any subschema marks it that may apply there, whichever branch
of an `anyOf` or an `if` it is in, and whatever `$ref` leads to it. Left out: where a
`$ref` leads (see `runner.validation.subschemas`), and judging a sealed body (see
`runner.validation.resting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jsonschema_rs

from runner.privacy.sealed import SHOWS, Show
from runner.validation.misspelling import HOLD_NAMED
from runner.validation.subschemas import Documents, Part, Subschema, reach, walk
from runner.wording import did_you_mean, listed, shown

SENSITIVE, FORBIDDEN = "x-sensitive", "x-forbidden"

_SAME_PLACE_MANY = ("allOf", "anyOf", "oneOf")
_SAME_PLACE_ONE = ("if", "then", "else", "not")
_OTHER_ITEMS = ("items", "additionalItems", "unevaluatedItems")
"""Of those that `prefixItems` doesn't name."""
_NO_VALUES = ("propertyNames", "contentSchema")
"""What is no value of its own: the names of members, and what a text holds."""
CONTAINERS = frozenset(["object", "array"])
_OTHERS = ("additionalProperties", "unevaluatedProperties")


class MarkError(ValueError):
    """A mark isn't written as it has to be; the text is a predicate for the schema."""


class Place:
    """A place in bodies, with all the marks that may apply there."""

    __slots__ = (
        "_parts",
        "_patterns",
        "_places",
        "_unnamed",
        "entries",
        "first",
        "forbidden",
        "forms",
        "is_open",
        "item",
        "known",
        "show",
    )

    def __init__(self, entries: Sequence[Part], places: dict[frozenset[int], Place] | None = None) -> None:
        self._places = {} if places is None else places
        self._places[_key(entries)] = self
        self.entries = entries
        """The subschemas for a value here, without those that they consist of."""
        self._parts = list(walk(entries, _same_place))
        for part in self._parts:
            _refuse_unsealable(part.schema)
        shows = [_read_show(part.schema) for part in self._parts if SENSITIVE in part.schema]
        self.show: Show | None = min(shows, key=SHOWS.index, default=None)
        """How the value here is sealed: by the mark that shows the least. None: it isn't."""
        self.forms = _other_forms(self._parts)
        """`object` and `array`, where one may stand here that no mark is about: it has marks of its own."""
        self.forbidden = True in [_read_forbidden(part.schema) for part in self._parts]
        names = dict.fromkeys(name for part in self._parts for name in part.schema.get("properties", ()))
        self.known: dict[str, Place | None] = {name: self._place(self._for_name(name)) for name in names}
        """The places of the members that the schemas name; None where nothing is marked."""
        self.is_open = any(True for _ in self._held(*_OTHERS, "patternProperties"))
        """Whether members that no schema names may be marked."""
        patterns = [pattern for part in self._parts for pattern in part.schema.get("patternProperties", {})]
        self._patterns = [_matches(pattern) for pattern in patterns]
        self._unnamed: dict[tuple[bool, ...], Place | None] = {}
        """The places of such members, by the patterns that match their names. A body may have thousands."""
        longest = max((len(_first(part.schema)) for part in self._parts), default=0)
        self.first = [self._place(self._for_index(index)) for index in range(longest)]
        """The places of the first items of a list, which the schemas name one by one."""
        self.item = self._place(self._for_index(longest))
        """The place of each further item."""

    def member(self, name: str) -> Place | None:
        """The place of a member."""
        if name in self.known:
            return self.known[name]
        if not self.is_open:
            return None
        matched = tuple(matches(name) for matches in self._patterns)
        if matched not in self._unnamed:
            self._unnamed[matched] = self._place(self._for_name(name))
        return self._unnamed[matched]

    def nth(self, index: int) -> Place | None:
        """The place of an item."""
        return self.first[index] if index < len(self.first) else self.item

    @property
    def items(self) -> Iterator[Place]:
        """The places of all items where something is marked."""
        return (place for place in (*self.first, self.item) if place is not None)

    def at(self, trail: Iterable[str | int]) -> Place | None:
        """The place that names and indexes lead to from here."""
        place: Place | None = self
        for step in trail:
            if place is None:
                return None
            place = place.member(step) if isinstance(step, str) else place.nth(step)
        return place

    def seals(self, value: Any) -> bool:
        """Whether a value that stands here has to be sealed."""
        if self.show is None or value is None:
            return False
        kind = "object" if isinstance(value, Mapping) else "array" if isinstance(value, list | tuple) else ""
        return kind not in self.forms

    def below(self) -> Iterator[Place]:
        """Every place inside of a value here that is marked, or leads to one that is."""
        others = [self._place([part]) for part in self._held(*_OTHERS, "patternProperties")]
        yield from (place for place in (*self.known.values(), *self.items, *others) if place is not None)

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

    def _for_index(self, index: int) -> Iterator[Part]:
        for part in self._parts:
            schema, first = part.schema, _first(part.schema)
            named = index < len(first) and not (part.is_old and "prefixItems" in schema)
            if index < len(first):
                yield from part.of(first[index])
            yield from part.of(schema.get("contains"), *(() if named else map(schema.get, _OTHER_ITEMS)))

    def _for_name(self, name: str) -> Iterator[Part]:
        for part in self._parts:
            schema = part.schema
            named = [schema["properties"][name]] if name in schema.get("properties", ()) else []
            named += [one for pattern, one in schema.get("patternProperties", {}).items() if _matches(pattern)(name)]
            yield from part.of(*(named or [schema.get(keyword) for keyword in _OTHERS]))


def _key(parts: Iterable[Part]) -> frozenset[int]:
    return frozenset(id(part.schema) for part in parts)


def _same_place(part: Part) -> Iterator[Part]:
    """What a subschema consists of, for the same place."""
    schema = part.schema
    yield from part.of(*(schema.get(keyword) for keyword in _SAME_PLACE_ONE))
    for keyword in _SAME_PLACE_MANY:
        yield from part.of(*schema.get(keyword, ()))
    for keyword in ("dependentSchemas", "dependencies"):
        yield from part.of(*schema.get(keyword, {}).values())
    yield from part.referred()


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
    return any(at.show for place in _named(root, field) for at in _with_items(place))


def _named(root: Place, field: str) -> Iterator[Place]:
    """The places that a field may be; a dot may also be a part of a name."""
    for place in _with_items(root):
        if (below := place.member(field)) is not None:
            yield below
        for dot in (index for index, letter in enumerate(field) if letter == "."):
            if (below := place.member(field[:dot])) is not None:
                yield from _named(below, field[dot + 1 :])


def _with_items(place: Place) -> Iterator[Place]:
    """`place`, and the items of the lists that may stand there."""
    waiting, seen = [place], set[int]()
    while waiting:
        at = waiting.pop(0)
        if id(at) not in seen:
            seen.add(id(at))
            yield at
            waiting += at.items


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


def _other_forms(parts: Sequence[Part]) -> frozenset[str]:
    if not all(takes_no_container(part.schema) for part in parts if SENSITIVE in part.schema):
        return frozenset()
    return (
        frozenset(kind for part in parts for kind in _kinds(part.schema) if SENSITIVE not in part.schema) & CONTAINERS
    )


def takes_no_container(schema: Subschema) -> bool:
    """Whether it says that neither an object nor a list is valid."""
    return "type" in schema and CONTAINERS.isdisjoint(_kinds(schema))


def _first(schema: Subschema) -> Sequence[Any]:
    """The subschemas for the first items of a list: `items` had them before draft 2020-12."""
    named = schema.get("prefixItems", schema.get("items"))
    return named if isinstance(named, list) else ()


def _kinds(schema: Subschema) -> Sequence[str]:
    kinds = schema.get("type", ())
    return [kinds] if isinstance(kinds, str) else kinds


def _refuse_unsealable(schema: Subschema) -> None:
    for keyword in _NO_VALUES:
        within = schema.get(keyword)
        if isinstance(within, dict) and _is_marked(within):
            raise MarkError(f"marks {keyword} {SENSITIVE} or {FORBIDDEN}, where nothing can be sealed; mark values")


def _read_show(schema: Subschema) -> Show:
    mark = schema[SENSITIVE]
    example = f'must be {{"show": "last4"}}, or {listed(SHOWS, "or")} instead'
    if not isinstance(mark, dict) or set(mark) != {"show"}:
        raise MarkError(f"has {SENSITIVE} {shown(mark)}, which {example}")
    if mark["show"] not in SHOWS:
        hint = did_you_mean(mark["show"], SHOWS) if isinstance(mark["show"], str) else ""
        raise MarkError(f"has {SENSITIVE} with show {shown(mark['show'])}, which must be {listed(SHOWS, 'or')}{hint}")
    if "type" in schema and "string" not in (kinds := _kinds(schema)):
        reason = f"marks {SENSITIVE} what must be of the type {listed(kinds, 'or')}, but only strings can be sealed"
        raise MarkError(f"{reason}; make it a string")
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
