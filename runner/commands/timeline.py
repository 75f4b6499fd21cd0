"""How `runner find` tells the history of one message: a line for each thing that happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from runner.history import Deed, History, told
from runner.topology import dead_letter_queue
from runner.units import span
from runner.wording import one_line

if TYPE_CHECKING:
    from runner.ledger.journey import Hop

_INDENT = " " * 15


def told_as_timeline(found: History, stages: Mapping[str, str]) -> Iterator[str]:
    """Its lines; `stages` are the stages of queues, by name."""
    journey = found.journey
    after = "" if found.seconds is None else f", {span(found.seconds)} after it was accepted"
    yield f"{journey.id}: {journey.standing}{after}"
    facts = {name: _text(value) for name, value in journey.facts.items()}
    yield from _named(facts, "  ")
    yield from ("", f"{shown_time(journey.accepted_at)[:10]} (UTC)")
    by = found.accepted_by
    accepted = (journey.accepted_at, [f"accepted by {by}" if by else "published by another program"])
    events = [accepted, *(_event(hop, journey.id, stages) for hop in journey.hops)]
    events += [(deed.at, list(_deed(deed))) for deed in found.deeds]
    day = shown_time(journey.accepted_at)[:10]
    for at, (first, *more) in sorted(events, key=lambda event: event[0]):
        if (today := shown_time(at)[:10]) != day:
            day = today
            yield f"{day} (UTC)"
        yield f"{shown_time(at)[11:]}  {one_line(first)}"
        yield from (f"{_INDENT}{line}" for line in more)


def _event(hop: Hop, id: str, stages: Mapping[str, str]) -> tuple[float, list[str]]:
    """When a copy last changed, and what then became of it."""
    who = hop.stage or stages.get(hop.queue, "")
    queue = hop.queue + (f", copy {hop.copy.removeprefix(id)}" if hop.copy != id else "")
    attempts = f" at attempt {hop.attempts}" if hop.attempts > 1 else ""
    lines = [f"{_what(hop, who)}{attempts} ({queue}{_spans(hop)})"]
    if hop.error:
        lines.append(one_line(hop.error if hop.state != "handled" else f"before: {hop.error}"))
    if hop.next_at is not None:
        lines.append(f"next attempt at {shown_time(hop.next_at)}")
    if hop.state == "dead":
        lines.append(f"it lies on {dead_letter_queue(hop.queue)}; 'runner dead show' has more")
    lines += _named(told(hop), "")
    return hop.published_at if hop.state == "published" else hop.changed_at, lines


def _what(hop: Hop, who: str) -> str:
    match hop.state:
        case "handled":
            return f"handled by {who}"
        case "waiting":
            return f"to be tried again by {who}"
        case "dead":
            return f"given up by {who}"
        case "begun":
            return f"in hand at {who}"
        case "left":
            return "passed on"
        case "moved":
            return "sent elsewhere by an operator"
        case "dropped":
            return "deleted by an operator"
        case _:
            return f"queued for {who}" if who else "queued"


def _spans(hop: Hop) -> str:
    if hop.took is None or hop.waited is None:
        return ""
    return f"; waited {span(hop.waited)}, took {span(hop.took)}"


def _deed(deed: Deed) -> Iterator[str]:
    to = f" to {deed.to}" if deed.to else ""
    yield f"{deed.what} by {deed.who} ({deed.queue}{to})"
    if deed.reason:
        yield one_line(f"reason: {deed.reason}")
    if deed.failed:
        yield one_line(f"it did not happen: {deed.failed}")


def _named(texts: Mapping[str, str], indent: str) -> Iterator[str]:
    width = max(map(len, texts), default=0)
    return (f"{indent}{one_line(name):{width}}  {one_line(value)}" for name, value in texts.items())


def shown_time(seconds: float) -> str:
    """UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", timespec="milliseconds").replace("+00:00", "Z")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
