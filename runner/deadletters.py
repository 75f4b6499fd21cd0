"""Dead letters: read, found, grouped by the kind of error, sent again. Values in, values out.

Nothing in a `DeadLetter` shows what has to be masked. A dead letter may be older than this module,
or come from another program: a header that isn't as the runner writes it tells nothing. Left out:
where they lie (a `Shelf` knows that), and how they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from runner.brokers.base import Shelved
from runner.json_text import parse_json
from runner.message import (
    ATTEMPT,
    ERROR,
    FIRST_ERROR,
    FIRST_STAGE,
    FIRST_TIME,
    SEALED,
    STAGE,
    TIME,
    TRACEBACK,
    is_usable,
    number,
    root_id,
)
from runner.privacy.masking import mask, mask_name
from runner.sensitive import Outward, without_forbidden
from runner.validation.schema import Schema
from runner.wording import one_line

LONGEST_STAGE = 200
"""Characters of a stage's name, which anybody may have written into a header."""
LONGEST_KIND = 160
"""Characters."""
MOST_KINDS = 1_000
"""Groups that are told apart; what comes later is one group, so that memory stays bounded."""
OTHERS = "(other kinds of error)"

_PLACE = re.compile(r'^ +File "(?:[^"\n]*/)?([^"/\n]+)", line \d+, in (\S+)', re.MULTILINE)
_TYPE = re.compile(r"^([A-Za-z_][\w.]*)(?=:|$)", re.MULTILINE)
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\b[0-9a-f]{8,}\b|\b[\w-]*\d[\w.-]*")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. Texts are masked, whoever wrote them."""

    id: str
    """Empty if it has none that can be used."""
    queue: str
    """The work queue in whose dead letters it lies."""
    stage: str
    time: datetime | None
    """When it was dead-lettered."""
    kind: str
    """The type and the place of the exception, or the error without numbers and ids."""
    attempts: int
    shelved: Shelved

    @property
    def error(self) -> str:
        return _text(self.shelved.headers, ERROR)

    @property
    def sealed(self) -> str:
        """Why its body is sealed as a whole; empty: it isn't."""
        return _text(self.shelved.headers, SEALED)

    @property
    def traceback(self) -> str:
        return _text(self.shelved.headers, TRACEBACK)

    @property
    def first_error(self) -> str:
        """Why it failed for the first time on this queue, whatever has become of it since; empty: not known."""
        return _text(self.shelved.headers, FIRST_ERROR)

    @property
    def first_stage(self) -> str:
        return _text(self.shelved.headers, FIRST_STAGE)

    @property
    def first_time(self) -> datetime | None:
        return _time(self.shelved.headers.get(FIRST_TIME))

    def without_body(self) -> DeadLetter:
        """For who keeps many: a body may be large."""
        return replace(self, shelved=self.shelved._replace(payload=b""))

    @property
    def failed_otherwise(self) -> bool:
        """Whether its first error was another one than the last."""
        return bool(self.first_error) and not self.error.startswith(self.first_error)


def read(queue: str, shelved: Shelved) -> DeadLetter:
    """What lies in the dead letters of `queue`, whoever wrote it."""
    headers = shelved.headers
    return DeadLetter(
        shelved.id if is_usable(shelved.id) else "",
        queue,
        _text(headers, STAGE, mask_name)[:LONGEST_STAGE],
        _time(headers.get(TIME)),
        _raised_in(headers.get(TRACEBACK)) or _without_variables(_text(headers, ERROR)),
        number(headers.get(ATTEMPT)),
        shelved,
    )


def kind_of(error: str, trace: str) -> str:
    """What errors of one kind have in common: `ValueError in charge (bank.py)`."""
    return _raised_in(trace) or _without_variables(error)


def _raised_in(trace: object) -> str:
    """The type and the place of an exception; empty if `trace` is no traceback."""
    if not isinstance(trace, str) or not (places := _PLACE.findall(trace)) or not (types := _TYPE.findall(trace)):
        return ""
    file, function = places[-1]
    return mask_name(f"{types[-1]} in {function} ({file})")


def _without_variables(error: str) -> str:
    return one_line(_VARIABLE.sub("…", error))[:LONGEST_KIND] or "no error is named"


def body_of(letter: DeadLetter, schema: Schema | None) -> str:
    """Its body for people."""
    return masked_body(letter.shelved.payload, letter.id, schema)


def masked_body(payload: bytes, id: str, schema: Schema | None, *, indent: bool = True) -> str:
    """The body of the message `id` for people: what is sealed, what `schema` marks, and card numbers are
    masked, and what may not be kept is left out."""
    marks = schema.marks if schema is not None else None
    try:
        kept = payload if marks is None else without_forbidden(payload, marks)
        outward = Outward(parse_json(kept), marks, id)
        outward.show_masks()
        outward.hide_no_texts()
        text = orjson.dumps(outward.body, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except (TypeError, ValueError, RecursionError):
        if marks is not None:
            return f"({len(payload):,} bytes that are no JSON, and may hold what is sensitive)"
        text = payload.decode(errors="replace")
    return mask(text)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; what is empty or None takes all."""

    ids: frozenset[str] = frozenset()
    stage: str = ""
    error: str = ""
    """A part of the error or of its kind, in any case."""
    since: datetime | None = None
    until: datetime | None = None
    journeys: frozenset[str] | None = None
    """The ids that messages had at first; None takes all."""

    def takes(self, letter: DeadLetter) -> bool:
        """Whether it is meant. One without a time isn't where a time is asked for."""
        if self.ids and letter.id not in self.ids:
            return False
        if self.journeys is not None and root_id(letter.id) not in self.journeys:
            return False
        if self.stage and letter.stage != self.stage:
            return False
        if self.error and self.error.lower() not in f"{letter.kind}\n{letter.error}".lower():
            return False
        if self.since is None and self.until is None:
            return True
        if letter.time is None or (self.since is not None and letter.time < self.since):
            return False
        return self.until is None or letter.time < self.until


@dataclass(slots=True)
class Group:
    """Dead letters of one queue and stage that failed in the same way."""

    queue: str
    stage: str
    kind: str
    newest: DeadLetter
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, letter: DeadLetter) -> None:
        """Count one more, which came later than those before."""
        self.count += 1
        if letter.time is None:
            return
        self.first = letter.time if self.first is None else min(self.first, letter.time)
        if self.last is None or letter.time >= self.last:
            self.last, self.newest = letter.time, letter


def grouped(letters: Iterable[DeadLetter]) -> list[Group]:
    """By queue, stage and kind of error, the largest first. Keeps one example of each, without its body."""
    groups: dict[tuple[str, str, str], Group] = {}
    for letter in (whole.without_body() for whole in letters):
        key = (letter.queue, letter.stage, letter.kind)
        if key not in groups and len(groups) >= MOST_KINDS:
            key = (letter.queue, "", OTHERS)
        groups.setdefault(key, Group(*key, letter)).add(letter)
    return sorted(groups.values(), key=lambda group: -group.count)


def _text(headers: Mapping[str, Any], name: str, masked: Callable[[str], str] = mask) -> str:
    value = headers.get(name)
    return masked(value) if value and isinstance(value, str) else ""


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
