"""The sensitive values in a body: found where schemas mark them, sealed, masked, opened.

`Outward` is a body on its way to a queue, `Inward` one that comes from a queue. Left out:
where it goes (see `runner.routing`), and what a handler does with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import orjson

from runner.message import root_id
from runner.privacy.sealed import (
    HIDDEN,
    PREFIX,
    Home,
    Masked,
    Revealed,
    Token,
    fits,
    is_mask,
    looks_sealed,
    mask_of,
    read_token,
)
from runner.privacy.sealing import Sealer
from runner.validation.forbidden import forbidden_members
from runner.validation.marks import Place
from runner.validation.schema import Schema
from runner.validation.violations import Violation, first

_LENGTH = len(PREFIX)
_UNMARKED = "is sealed, and this schema doesn't mark it x-sensitive"
_JSON_VALUES = frozenset([str, int, float, bool, type(None)])
DEEPEST = 250
"""Levels of a body that is sealed: orjson reads 1024, and writes 254."""

Steps = tuple[str | int, ...]
"""Names and indexes that lead to a value in a body."""


def pointer(steps: Steps) -> str:
    """As RFC 6901 writes it."""
    if len(steps) == 1 and isinstance(name := steps[0], str) and name.isalnum():  # as nearly all are
        return f"/{name}"
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def field(steps: Steps) -> str:
    """As `reveal` names it: `card.number`, without the indexes of lists."""
    if len(steps) == 1 and isinstance(name := steps[0], str):
        return name
    return ".".join(step for step in steps if isinstance(step, str))


# -- On the way to a queue --------------------------------------------------------------------


class Spot:
    """A sensitive value in a body on its way out, at `holder[key]`."""

    __slots__ = ("holder", "key", "mask", "plain", "steps", "token")

    def __init__(self, holder: Any, key: Any, steps: Steps, mask: str, plain: str | None, token: str | None) -> None:
        self.holder = holder
        self.key = key
        self.steps = steps
        self.mask = mask
        self.plain = plain
        """None: it is sealed, and this process may be unable to open it."""
        self.token = token

    def put(self, value: Any) -> None:
        self.holder[self.key] = value


class Outward:
    """A copy of `body` for the message `id`, in which a sensitive value can be its mask, its token or
    itself in turn. `place` has the marks of all queues that it may go to.

    Raises TypeError or ValueError for what JSON can't hold, and RecursionError for more than
    `DEEPEST` levels.
    """

    def __init__(self, body: Any, place: Place | None, id: str) -> None:
        self._id = id
        self._root_id = root_id(id)
        self._spots: list[Spot] = []
        self.faults: list[Violation] = []
        """Values that can't be sealed."""
        self._no_texts: list[tuple[Any, Any]] = []
        """Those of them that are numbers or the like, each as holder and key."""
        self._root: list[Any] = [None]
        self._root[0] = self._member(self._root, 0, body, place, ())

    @property
    def body(self) -> Any:
        return self._root[0]

    def text(self) -> bytes:
        return orjson.dumps(self.body)

    def show_masks(self) -> None:
        """Put the mask of each sensitive value in its place."""
        for spot in self._spots:
            spot.put(spot.mask)

    def hide_no_texts(self) -> None:
        """Put a mask in the place of what should be sealed, and is no text, as others may have sent it: for people."""
        for holder, key in self._no_texts:
            holder[key] = HIDDEN

    def seal(self, sealer: Sealer) -> None:
        """Put the token of each sensitive value in its place. Raises KeysError."""
        for spot in self._spots:
            if spot.token is None and spot.plain is not None:
                spot.token = sealer.seal(spot.plain.encode(), spot.mask, self._id, pointer(spot.steps))
            spot.put(spot.token)

    def violations(self, schema: Schema) -> tuple[Violation, ...]:
        """What a sealed body breaks of `schema`, which judges the values that it marks as they were before."""
        if not self._spots:
            return () if schema.is_valid(self.body) else schema.violations(self.body)
        marked = [spot for spot in self._spots if _is_marked(schema, spot)]
        found = self._broken(schema, marked)
        if not found or len(marked) == len(self._spots):
            return found
        others = {pointer(spot.steps) for spot in self._spots if spot not in marked}
        return first(dataclasses.replace(one, detail=_UNMARKED) if one.pointer in others else one for one in found)

    def _broken(self, schema: Schema, marked: list[Spot]) -> tuple[Violation, ...]:
        plain = [spot for spot in marked if spot.plain is not None]
        judge = schema if len(plain) == len(marked) else schema.resting
        for spot in plain if judge is schema else ():
            spot.put(spot.plain)
        try:
            if not judge.is_valid(self.body):
                return judge.violations(self.body)
            return () if judge is schema else self._violations_of(plain, schema)
        finally:
            for spot in plain:
                spot.put(spot.token)

    def _violations_of(self, plain: list[Spot], schema: Schema) -> tuple[Violation, ...]:
        """Of values that stand beside others that are sealed already."""
        for spot in plain:
            spot.put(spot.plain)
        broken = schema.breaks_at(self.body) if plain else ()
        return tuple(Violation(pointer(spot.steps), "breaks its schema") for spot in plain if spot.steps in broken)

    # -- copying

    def _copy(self, value: Any, place: Place | None, steps: Steps) -> Any:
        if len(steps) >= DEEPEST:
            raise RecursionError
        if value.__class__ is dict or isinstance(value, Mapping):
            return self._copy_object(value, place, steps)
        copied: list[Any] = [None] * len(value)
        for index, member in enumerate(value):
            item = place.nth(index) if place is not None else None
            copied[index] = self._member(copied, index, member, item, (*steps, index))
        return copied

    def _copy_object(self, value: Mapping[Any, Any], place: Place | None, steps: Steps) -> dict[Any, Any]:
        copied: dict[Any, Any] = {}
        known, is_open = (place.known, place.is_open) if place is not None else ({}, False)
        for name, member in value.items():
            below = known[name] if name in known else place.member(name) if is_open and place is not None else None
            if below is None and member.__class__ in _JSON_VALUES:
                copied[name] = member
            else:
                copied[name] = self._member(copied, name, member, below, (*steps, name))
        return copied

    def _member(self, holder: Any, key: Any, value: Any, place: Place | None, steps: Steps) -> Any:
        """What stands for `value` in the copy."""
        if value.__class__ is Masked or value.__class__ is Revealed:
            return self._sealed_before(holder, key, value, place, steps)
        if place is not None and place.show is not None and place.seals(value):
            return self._to_seal(holder, key, value, place, steps)
        if value.__class__ in _JSON_VALUES:
            return value
        if value.__class__ is dict or isinstance(value, Mapping | list | tuple):
            return self._copy(value, place, steps)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._copy({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, place, steps)
        return self._member(holder, key, orjson.loads(orjson.dumps(value)), place, steps)

    def _to_seal(self, holder: Any, key: Any, value: Any, place: Place, steps: Steps) -> Any:
        assert place.show is not None
        if not isinstance(value, str):
            self._no_texts.append((holder, key))
            self._fault(steps, "must be a string, since it is sealed")
        elif is_mask(value):
            self._fault(steps, "is the mask of a sealed value, not the value itself")
        else:
            plain = str(value)
            self._spots.append(Spot(holder, key, steps, mask_of(plain, place.show), plain, None))
        return value

    def _sealed_before(self, holder: Any, key: Any, value: Masked | Revealed, place: Place | None, steps: Steps) -> Any:
        """A value that was sealed when the handler got it. Elsewhere than at its home its token opens nowhere."""
        at_home = value.home == (self._root_id, pointer(steps))
        show = place.show if place is not None else None
        if isinstance(value, Revealed):
            plain = str(value)
            mask = mask_of(plain, show) if show is not None else value.mask
            token = value.token if at_home and mask == value.mask else None
            self._spots.append(Spot(holder, key, steps, mask, plain, token))
        elif at_home:
            self._spots.append(Spot(holder, key, steps, str(value), None, value.token))
        elif show is not None:
            home = "another message" if value.home.id != self._root_id else value.home.path
            self._fault(steps, f"is sealed for {home}; only a stage that reveals it can move it")
        return str(value)

    def _fault(self, steps: Steps, detail: str) -> None:
        self.faults.append(Violation(pointer(steps), detail))


def _is_marked(schema: Schema, spot: Spot) -> bool:
    place = schema.marks.at(spot.steps) if schema.marks is not None else None
    return place is not None and place.show is not None


def holds_tokens(body: Any) -> bool:
    """Whether some text in a body begins as a token does: what a stranger sends may not."""
    waiting = [body]  # no recursion: it may be nested as deeply as JSON can be read
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and looks_sealed(value):
            return True
    return False


# -- On the way from a queue --------------------------------------------------------------------


class Found(NamedTuple):
    """A token in a body that came from a queue, at `holder[key]`."""

    holder: Any
    key: Any
    steps: Steps
    token: Token


class Inward:
    """A parsed `body` that came from a queue whose schema has its marks at `place`."""

    def __init__(self, body: Any, place: Place | None) -> None:
        self._found: list[Found] = []
        self.faults: list[Violation] = []
        """What is in the clear, and has to be sealed."""
        self._root = [body]
        self._look(self._root, 0, body, place, ())

    @property
    def body(self) -> Any:
        return self._root[0]

    @property
    def fields(self) -> list[str]:
        """The names of the sealed ones, as `reveal` names them."""
        return list(dict.fromkeys(field(found.steps) for found in self._found))

    def open(self, id: str, reveal: Collection[str], sealer: Sealer) -> tuple[Revealed, ...]:
        """Put what a handler gets in the place of each token, and return the values of the fields
        in `reveal`. Raises KeysError and ForeignSealError."""
        opened: list[Revealed] = []
        root = root_id(id)
        for holder, key, steps, token in self._found:
            home, text = Home(root, pointer(steps)), holder[key]
            if reveal and field(steps) in reveal:
                holder[key] = Revealed(sealer.open(token, id, home.path).decode(), token.mask, text, home)
                opened.append(holder[key])
            else:
                holder[key] = Masked(token.mask, text, home)
        return tuple(opened)

    def mask(self, id: str) -> None:
        """Put its mask in the place of each token: nothing is opened."""
        for holder, key, steps, token in self._found:
            holder[key] = Masked(token.mask, holder[key], Home(root_id(id), pointer(steps)))

    def _look(self, holder: Any, key: Any, value: Any, place: Place | None, steps: Steps) -> None:
        if value.__class__ is dict:
            known, is_open = (place.known, place.is_open) if place is not None else ({}, False)
            for name, member in value.items():
                below = known[name] if name in known else place.member(name) if is_open and place is not None else None
                kind = member.__class__
                if below is not None or kind not in _JSON_VALUES or (kind is str and member[:_LENGTH] == PREFIX):
                    self._look(value, name, member, below, (*steps, name))
        elif value.__class__ is list:
            for index, member in enumerate(value):
                item = place.nth(index) if place is not None else None
                self._look(value, index, member, item, (*steps, index))
        elif value.__class__ is str and (token := read_token(value)) is not None:
            self._found.append(Found(holder, key, steps, token))
            if place is not None and place.show is not None and not fits(token, place.show):
                self.faults.append(Violation(pointer(steps), "shows more than it may"))
            return
        if place is not None and place.show is not None and place.seals(value):
            self.faults.append(Violation(pointer(steps), "has to be sealed, and is in the clear"))


# -- What can't be trusted to be sealed -----------------------------------------------------------


def sealed_whole(payload: bytes, place: Place, id: str, sealer: Sealer) -> bytes:
    """A body that breaks its schema, sealed as one text: anything may be anywhere in it. Forbidden
    members are removed first, as far as it is JSON. Raises KeysError."""
    return orjson.dumps(sealer.seal(without_forbidden(payload, place), HIDDEN, id, ""))


def without_forbidden(payload: bytes, place: Place) -> bytes:
    """A body without the members that may not be kept; unchanged if it has none, or isn't JSON.
    `null` for one that has some, and is nested too deeply to be written again."""
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload
    members = list(forbidden_members(body, place))
    if not members:
        return payload
    for member in members:
        del member.holder[member.key]
    try:
        return orjson.dumps(body)
    except TypeError:
        return b"null"
