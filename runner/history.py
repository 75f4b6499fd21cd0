"""The history of a message: found by what people know of it, and told from the request to its end.

Values in, values out. Nothing in a `History` shows what has to be masked. Left out: how it is
printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from runner.audit import deeds_of, past
from runner.message import is_usable, root_id
from runner.pipeline import Pipeline
from runner.wording import listed

if TYPE_CHECKING:
    from runner.ledger.journey import Hop, Journey
    from runner.ledger.ledger import Ledger
    from runner.privacy.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Match:
    """A message that was found."""

    id: str
    at: float
    """When what it was found by became known, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What an operator did with a dead letter of the message, as the audit trail tells it."""

    time: str
    """RFC 3339, UTC."""
    who: str
    deed: str
    queue: str
    to: str
    reason: str
    failed: str
    """Why it did not happen after all; empty: it did."""

    @property
    def what(self) -> str:
        """`replayed`; of one that did not happen, `replay`."""
        return self.deed if self.failed else past(self.deed)

    @property
    def at(self) -> float:
        """Its time in seconds since 1970; 0.0 if that can't be read."""
        try:
            return datetime.fromisoformat(self.time).timestamp()
        except ValueError:
            return 0.0


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is known of one message."""

    journey: Journey
    deeds: tuple[Deed, ...] = ()
    """In the order of the audit trail."""

    @property
    def accepted_by(self) -> str:
        """The route that took it; empty: another program published it."""
        return self.journey.hops[0].publisher

    @property
    def seconds(self) -> float | None:
        """From its acceptance to its end; None: it has none yet."""
        journey = self.journey
        return None if journey.under_way else journey.changed_at - journey.accepted_at


def search(
    ledger: Ledger, pipeline: Pipeline, sealer: Sealer | None, what: str, *, since: float = 0.0, limit: int = 20
) -> list[Match]:
    """The messages that `what` is about: an id, NAME=VALUE that a stage has recorded, such a value, or
    one that `find` in the file names. The newest first, at most `limit`, none found before `since`
    (seconds since 1970). The ledger is open. Raises LedgerError, and KeysError."""
    from runner.ledger.terms import Hasher

    if is_usable(what) and (journey := ledger.journey(root_id(what))) is not None:
        return [Match(journey.id, journey.accepted_at)]
    recorded = recorded_names(pipeline)
    name, equals, value = what.partition("=")
    if equals and name in recorded:
        return _matches(_facts(ledger, [name], value, since, limit), limit)
    hashes = Hasher(sealer, ledger.secret).candidates(what)
    hashed = ledger.find_hashed(hashes, since=since, most=limit)
    return _matches([*hashed, *_facts(ledger, recorded, what, since, limit)], limit)


def history(ledger: Ledger, id: str, folder: Path) -> History | None:
    """The history of the message `id`, of the pipeline in `folder`; None if nothing is known of it (any
    more). Raises LedgerError, and RunnerError."""
    journey = ledger.journey(id)
    if journey is None:
        return None
    return History(journey, tuple(map(_deed, deeds_of(folder, id, since=journey.accepted_at))))


def recorded_names(pipeline: Pipeline) -> list[str]:
    """The names of what stages record."""
    return sorted({name for stage in pipeline.stages.values() for name in stage.record})


def searched(pipeline: Pipeline) -> str:
    """What `search` looks through, in words."""
    routes = pipeline.http.routes if pipeline.http else ()
    finders = [(str(route), route.find) for route in routes]
    finders += [(name, stage.find) for name, stage in pipeline.stages.items()]
    places = ["message ids"]
    if names := recorded_names(pipeline):
        places.append(f"what stages record ({', '.join(names)})")
    places += [f"{', '.join(fields)} of {who}" for who, fields in finders if fields]
    return listed(places)


def as_document(found: History, stages: dict[str, str]) -> dict[str, Any]:
    """A history as JSON; `stages` are the stages of queues, by name. Times are in UTC (RFC 3339)."""
    from runner.intake.status import status_document

    journey = found.journey
    document = status_document(journey, stages)
    for shown, hop in zip(document["stages"], journey.hops, strict=True):
        shown["published_by"] = hop.publisher or None
        shown["waited_seconds"] = _rounded(hop.waited)
        shown["took_seconds"] = _rounded(hop.took)
        shown["last_error"] = hop.error or None
        shown["told"] = told(hop)
    deeds = [{name: getattr(deed, name) or None for name in Deed.__dataclass_fields__} for deed in found.deeds]
    return {
        **document,
        "accepted_by": found.accepted_by or None,
        "seconds": _rounded(found.seconds),
        "operators": deeds,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def told(hop: Hop) -> dict[str, str]:
    """What the handler's result says for people, by name."""
    return orjson.loads(hop.told) if hop.told else {}


def _facts(ledger: Ledger, names: Sequence[str], value: str, since: float, limit: int) -> list[tuple[str, float]]:
    """Messages of which one of `names` was recorded as `value`, which is JSON, or a text: nobody quotes
    `declined` on a command line."""
    values: list[Any] = [value]
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        parsed = value
    if parsed != value:
        values.append(parsed)
    return [one for name in names for each in values for one in ledger.find(name, each, since=since, most=limit)]


def _matches(found: Sequence[tuple[str, float]], limit: int) -> list[Match]:
    newest: dict[str, float] = {}
    for message, at in found:
        newest[message] = max(at, newest.get(message, at))
    ordered = sorted(newest.items(), key=lambda one: one[1], reverse=True)
    return [Match(*one) for one in ordered[:limit]]


def _deed(entry: Mapping[str, Any]) -> Deed:
    return Deed(*(str(entry.get(name) or "") for name in Deed.__dataclass_fields__))
