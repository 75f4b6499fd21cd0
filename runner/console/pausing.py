"""Pausing a stage and resuming it, for all its workers on every machine.

Left out: how they hear of it (see `ledger.pauses` and `worker.held`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, abort, redirect, render_template, url_for
from werkzeug.wrappers import Response as Answer

from runner.audit import Trail
from runner.console.guard import need, person, reason
from runner.console.run import Run
from runner.errors import RunnerError
from runner.pausing import pause, resume
from runner.pipeline import Stage

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger
    from runner.ledger.pauses import Pause


def add(app: Flask, run: Run) -> None:
    """Add the views to `app`, if the pipeline has a ledger: it remembers what is paused."""
    if run.ledger is None:
        return
    pausing = _Pausing(run, run.ledger)
    app.add_url_rule("/queues/<name>/pause", "pause", pausing.asked, methods=["GET"])
    app.add_url_rule("/queues/<name>/pause", "paused", pausing.paused, methods=["POST"])
    app.add_url_rule("/queues/<name>/resume", "resume", pausing.resumed, methods=["POST"])


def pause_of(run: Run, stage: Stage | None) -> Pause | None:
    """Who has paused a stage, and why; None: nobody, or that isn't known now."""
    if run.ledger is None or stage is None or run.ledger.away:
        return None
    try:
        return run.ledger.pauses.all().get(stage.name)
    except RunnerError:
        return None


class _Pausing:
    def __init__(self, run: Run, ledger: Ledger) -> None:
        self._run, self._ledger = run, ledger

    def asked(self, name: str) -> str:
        """The form."""
        need("operator")
        return render_template("pause.html", stage=self._stage(name))

    def paused(self, name: str) -> Answer:
        return self._do(name, "pause")

    def resumed(self, name: str) -> Answer:
        return self._do(name, "resume")

    def _do(self, name: str, deed: str) -> Answer:
        need("operator")
        stage, why = self._stage(name), reason()
        if deed == "pause" and not why:
            abort(400, "Say why it is paused: everybody is told.")
        trail = Trail(self._run.pipeline.folder, deed, why, by=person().name)
        if self._ledger.away:
            abort(503, f"The ledger remembers what is paused, and it is away: {self._ledger.away}.")
        try:
            done = pause(self._ledger, trail, stage) if deed == "pause" else resume(self._ledger, trail, stage)
        except RunnerError as error:
            abort(503, str(error))
        if not done:
            abort(409, f"{stage.name} is paused already." if deed == "pause" else f"Nobody has paused {stage.name}.")
        return redirect(url_for("queue", name=name), 303)

    def _stage(self, name: str) -> Stage:
        stage = self._run.stages.get(name)
        if stage is None:
            abort(404, f"No stage of this pipeline takes from {name}.")
        return stage
