"""Dead letters: read, found, grouped by the kind of error, sent again. Values in, values out.

Nothing in a `DeadLetter` shows what has to be masked. A dead letter may be older than this module,
or come from another program: a header that isn't as the runner writes it tells nothing. Left out:
where they lie (a `Shelf` knows that), and how they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from runner.brokers.base import Shelved
from runner.json_text import parse_json
from runner.message import ATTEMPT, ERROR, HEADER_PREFIX, SEALED, STAGE, TIME, TRACEBACK, Outgoing, is_usable, number
from runner.privacy.masking import mask
from runner.privacy.sealed import SIGN
from runner.routing import Reason, Refusal, Router
from runner.sensitive import Inward, Outward
from runner.validation.schema import Schema
from runner.wording import one_line

LONGEST_KIND = 160
"""Characters."""
MOST_KINDS = 1_000
"""Groups that are told apart; what comes later is one group, so that memory stays bounded."""
OTHERS = "(other kinds of error)"

_NOT_SENT_ON = ("x-", HEADER_PREFIX)
_ORDERS = ("cc", "bcc")
"""Headers that RabbitMQ acts on."""
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
    error: str
    kind: str
    """The type and the place of the exception, or the error without numbers and ids."""
    attempts: int
    traceback: str
    sealed: str
    """Why its body is sealed as a whole; empty: it isn't."""
    shelved: Shelved


def read(queue: str, shelved: Shelved) -> DeadLetter:
    """What lies in the dead letters of `queue`, whoever wrote it."""
    headers = shelved.headers
    error, trace = mask(_text(headers, ERROR)), mask(_text(headers, TRACEBACK))
    return DeadLetter(
        shelved.id if is_usable(shelved.id) else "",
        queue,
        mask(_text(headers, STAGE)),
        _time(_text(headers, TIME)),
        error,
        kind_of(error, trace),
        number(headers.get(ATTEMPT)),
        trace,
        mask(_text(headers, SEALED)),
        shelved,
    )


def kind_of(error: str, trace: str) -> str:
    """What errors of one kind have in common: `ValueError in charge (bank.py)`."""
    places, types = _PLACE.findall(trace), _TYPE.findall(trace)
    if places and types:
        file, function = places[-1]
        return f"{types[-1]} in {function} ({file})"
    return one_line(_VARIABLE.sub("…", error))[:LONGEST_KIND] or "no error is named"


def body_of(letter: DeadLetter, schema: Schema | None) -> str:
    """Its body for people."""
    return masked_body(letter.shelved.payload, letter.id, schema)


def masked_body(payload: bytes, id: str, schema: Schema | None, *, indent: bool = True) -> str:
    """The body of the message `id` for people: what is sealed, what `schema` marks, and card numbers are
    masked."""
    try:
        outward = Outward(parse_json(payload), schema.marks if schema else None, id)
        outward.show_masks()
        text = orjson.dumps(outward.body, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except (TypeError, ValueError, RecursionError):
        if schema is not None and schema.marks is not None:
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

    def takes(self, letter: DeadLetter) -> bool:
        """Whether it is meant. One without a time isn't where a time is asked for."""
        if self.ids and letter.id not in self.ids:
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
    """By queue, stage and kind of error, the largest first. Keeps one example of each."""
    groups: dict[tuple[str, str, str], Group] = {}
    for letter in letters:
        key = (letter.queue, letter.stage, letter.kind)
        if key not in groups and len(groups) >= MOST_KINDS:
            key = (letter.queue, "", OTHERS)
        groups.setdefault(key, Group(*key, letter)).add(letter)
    return sorted(groups.values(), key=lambda group: -group.count)


def replayed(letter: DeadLetter, router: Router) -> list[Outgoing] | str:
    """What to publish by `router` in its place, or why that is refused now: the same id, body and
    sender's headers, no attempts counted; what is sealed stays sealed. Raises KeysError."""
    if letter.sealed:
        return f"its body is sealed as a whole: {letter.sealed}"
    if not letter.id:
        return "it has no id that can be used; send its body with 'runner send'"
    payload = letter.shelved.payload
    try:
        body = parse_json(payload)
    except (ValueError, RecursionError) as error:
        return f"the body is not JSON: {error}"
    headers = _senders(letter.shelved.headers)
    if router.seals or SIGN in payload:
        inward = Inward(body, None)
        inward.mask(letter.id)
        routed = router.route_sealed(inward.body, letter.id, headers)
    else:
        routed = router.route(body, payload, letter.id, headers)
    return _worded(routed) if isinstance(routed, Refusal) else routed


def _worded(refusal: Refusal) -> str:
    if refusal.reason is Reason.INVALID:
        return f"the body breaks the schema of {refusal.queue}: {'; '.join(map(str, refusal.violations))}"
    return f"the body matches {refusal.reason.value}"


def _senders(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in headers.items()
        if not name.lower().startswith(_NOT_SENT_ON) and name.lower() not in _ORDERS
    }


def _text(headers: Mapping[str, Any], name: str) -> str:
    value = headers.get(name)
    return value if isinstance(value, str) else ""


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
