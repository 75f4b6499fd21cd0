"""A message: everything that is known of it, from the request to the last stage.

It is read from the ledger. Left out: what the ledger records (see `ledger.journey`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from runner.audit import read_trail
from runner.console.run import Run
from runner.console.trail import MOST
from runner.errors import RunnerError
from runner.intake.status import OUTCOMES
from runner.message import is_usable, root_id

if TYPE_CHECKING:
    from runner.ledger.journey import Journey
    from runner.ledger.ledger import Ledger

STATES: Mapping[str, str] = {"handled": "well", "dead": "bad", "waiting": "paused"}
"""How a hop's outcome is shown."""


def add(app: Flask, run: Run) -> None:
    """Add the pages to `app`, if the pipeline has a ledger."""
    ledger = run.ledger
    if ledger is None:
        return

    @app.get("/messages")
    def messages() -> str | Answer:
        wanted = request.args.get("id", "").strip()
        if is_usable(wanted):
            return redirect(url_for("message", id=root_id(wanted)), 303)
        return render_template("messages.html", wanted=wanted)

    @app.get("/messages/<id>")
    def message(id: str) -> str:
        journey = _journey(ledger, id)
        if journey is None:
            abort(404, f"The ledger knows no message {id[:100]}. Ids are in the answers of the intake, and in the log.")
        deeds = [deed for deed in read_trail(run.pipeline.folder, MOST) if root_id(str(deed.get("id", ""))) == id]
        told = {"journey": journey, "outcomes": OUTCOMES, "states": STATES, "stages": run.stages, "deeds": deeds}
        return render_template("message.html", clock=_clock, **told)


def _journey(ledger: Ledger, id: str) -> Journey | None:
    if ledger.away:
        abort(503, f"The ledger is away: {ledger.away}.")
    try:
        return ledger.journey(id) if is_usable(id) else None
    except RunnerError as error:
        abort(503, str(error))


def _clock(seconds: float) -> str:
    """UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", timespec="milliseconds").removesuffix("+00:00")
