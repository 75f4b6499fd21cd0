"""What an operator does to dead letters: replays or drops them, planned before.

Left out: how it is done to one (see `operations`), and to many (see `jobs`).
"""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from runner.audit import Trail
from runner.brokers.base import Shelf
from runner.console.chosen import read_choice
from runner.console.dead import looking
from runner.console.guard import need, person, reason
from runner.console.jobs import Deed, Jobs, plan_of
from runner.console.run import Run
from runner.deadletters import DeadLetter
from runner.operations import Drop, Replay, found

PLAN_TIME = 10.0
"""Seconds that a plan may take."""


def add(app: Flask, run: Run) -> None:
    """Add the pages to `app`."""
    deeds = _Deeds(run)
    app.add_url_rule("/dead/<any(replay, drop):deed>", "plan", deeds.plan, methods=["GET"])
    app.add_url_rule("/dead/<any(replay, drop):deed>", "begin", deeds.begin, methods=["POST"])
    app.add_url_rule("/dead/jobs/<int:number>", "job", deeds.job, methods=["GET"])
    app.add_url_rule("/dead/jobs/<int:number>", "stop", deeds.stop, methods=["POST"])


class _Deeds:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._jobs = Jobs()
        run.at_end.append(self._jobs.end)

    def plan(self, deed: str) -> str:
        """What would happen."""
        need("operator")
        choice, to = read_choice(request.args), target(self._run, request.args.get("to", ""))
        with looking():
            letters = found(self._run.loaded, choice.queues, choice.filter)
            planned = plan_of(letters, self._deed(deed, None, to), seconds=PLAN_TIME)
        return render_template("plan.html", deed=deed, choice=choice, to=to, plan=planned)

    def begin(self, deed: str) -> Answer:
        """Do it."""
        need("operator")
        choice, to = read_choice(request.form), target(self._run, request.form.get("to", ""))
        why = reason()
        if deed == "drop" and not why:
            abort(400, "Say why they are dropped: it is written down.")
        trail = Trail(self._run.pipeline.folder, deed, why, by=person().name)
        letters = found(self._run.loaded, choice.queues, choice.filter)
        job = self._jobs.begin(deed, letters, self._deed(deed, trail, to))
        if job is None:
            abort(409, "Another replay or drop is at work. Wait for its end.")
        return redirect(url_for("job", number=job.number), 303)

    def job(self, number: int) -> str:
        """How it goes."""
        known = self._jobs.get(number)
        if known is None:
            abort(404, "Nothing is known of that any more. The audit trail says what was done.")
        return render_template("job.html", job=known)

    def stop(self, number: int) -> Answer:
        need("operator")
        if (known := self._jobs.get(number)) is not None:
            known.stopped = True
        return redirect(url_for("job", number=number), 303)

    def _deed(self, deed: str, trail: Trail | None, to: str) -> Deed:
        """To one dead letter; without a `trail` it only says what would happen."""
        if deed == "replay":
            return Replay(self._run.loaded, trail, to or None).one

        return Drop(self._run.loaded, trail).one if trail is not None else _nothing


def target(run: Run, to: str) -> str:
    """The queue that a form names; empty: where each of them failed."""
    if to and to not in run.pipeline.queues:
        abort(400, f"This pipeline has no queue {to}.")
    return to


def _nothing(_on: Shelf, _letter: DeadLetter) -> str:
    return ""
