"""A message: found by what people know of it, and everything that is known of it, as a timeline.

Left out: where that is found (see `history`), and its telling on a terminal (see `commands/timeline.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from runner.console.run import Run
from runner.errors import RunnerError
from runner.history import Deed, History, history, search, searched, told
from runner.units import span

if TYPE_CHECKING:
    from runner.ledger.journey import Hop
    from runner.ledger.ledger import Ledger

MOST = 50
"""Messages in a list."""
_UNANSWERED = "This can't be looked up: {}. Try again in a moment."
_STATES = {"handled": "well", "left": "well", "dead": "bad", "dropped": "bad", "waiting": "paused"}
"""How a hop's outcome is shown."""
_OUTCOMES = {
    "handled": "handled",
    "waiting": "to be tried again",
    "dead": "given up",
    "begun": "in hand",
    "moved": "sent elsewhere",
    "dropped": "deleted",
}


@dataclass(slots=True)
class Event:
    """Something that happened to a message, or was done to it."""

    at: float
    what: str
    who: str = ""
    queue: str = ""
    state: str = ""
    error: str = ""
    notes: list[str] = field(default_factory=list)
    dead: str = ""
    """The id of its dead letter."""


def add(app: Flask, run: Run) -> None:
    """Add the pages to `app`, if the pipeline has a ledger."""
    ledger = run.ledger
    if ledger is None:
        return

    @app.get("/messages")
    def messages() -> str | Answer:
        what = request.args.get("what", "").strip()
        _available(ledger)
        try:
            found = search(ledger, run.pipeline, run.loaded.sealer, what, limit=MOST) if what else []
        except RunnerError as error:
            abort(503, _UNANSWERED.format(error))
        if len(found) == 1:
            return redirect(url_for("message", id=found[0].id), 303)
        looked = {"found": found, "what": what, "searched": searched(run.pipeline)}
        return render_template("messages.html", clock=_clock, **looked)

    @app.get("/messages/<path:id>")
    def message(id: str) -> str:
        _available(ledger)
        try:
            known = history(ledger, id, run.pipeline.folder) if id.isprintable() else None
        except RunnerError as error:
            abort(503, _UNANSWERED.format(error))
        if known is None:
            abort(404, f"Nothing is known of a message {id[:100]}.")
        stages = {queue: stage.name for queue, stage in run.stages.items()}
        events = sorted(_events(known, stages), key=lambda event: event.at)
        return render_template("message.html", history=known, events=events, clock=_clock, span=span)


def _available(ledger: Ledger) -> None:
    if ledger.away:
        abort(503, f"The ledger is away: {ledger.away}.")


def _events(known: History, stages: Mapping[str, str]) -> Iterator[Event]:
    by = known.accepted_by
    first = ("accepted", by) if by else ("published", "another program")
    yield Event(known.journey.accepted_at, *first, state="well")
    for hop in known.journey.hops:
        yield _of_hop(hop, known.journey.id, stages)
    for deed in known.deeds:
        yield _of_deed(deed)


def _of_hop(hop: Hop, id: str, stages: Mapping[str, str]) -> Event:
    at = hop.published_at if hop.state == "published" else hop.changed_at
    event = Event(at, _OUTCOMES.get(hop.state, "queued"), hop.stage or stages.get(hop.queue, ""), hop.queue)
    event.state = _STATES.get(hop.state, "")
    event.error = f"before: {hop.error}" if hop.error and hop.state == "handled" else hop.error
    if hop.copy != id:
        event.notes.append(f"copy {hop.copy.removeprefix(id)}")
    if hop.attempts > 1:
        event.notes.append(f"at attempt {hop.attempts}")
    if hop.took is not None and hop.waited is not None:
        event.notes.append(f"waited {span(hop.waited)}, took {span(hop.took)}")
    if hop.next_at is not None:
        event.notes.append(f"next attempt at {_clock(hop.next_at)}")
    event.notes += [f"{name}: {value}" for name, value in told(hop).items()]
    event.dead = hop.copy if hop.state == "dead" else ""
    return event


def _of_deed(deed: Deed) -> Event:
    event = Event(deed.at, deed.what, deed.who, deed.queue)
    event.notes += [f"to {deed.to}"] if deed.to else []
    event.notes += [f"reason: {deed.reason}"] if deed.reason else []
    event.error = f"it did not happen: {deed.failed}" if deed.failed else ""
    return event


def _clock(seconds: float) -> str:
    """UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", timespec="milliseconds").removesuffix("+00:00")
