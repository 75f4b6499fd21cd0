"""What an operator does to dead letters: replays or drops them, planned before.

Left out: how it is done to one (see `operations`), and to many (see `jobs`).
"""

from __future__ import annotations

from contextlib import closing

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from runner.audit import Trail
from runner.brokers.base import Shelf
from runner.console.chosen import Choice, read_choice
from runner.console.dead import looking
from runner.console.guard import need, person, reason
from runner.console.jobs import Look, held, plan_of
from runner.console.run import Run
from runner.deadletters import DeadLetter
from runner.operations import Drop, Replay, found

PLAN_TIME = 10.0
"""Seconds that a plan may take."""
BUSY = "Another job is at work. Wait for its end."


def add(app: Flask, run: Run) -> None:
    """Add the pages to `app`."""
    deeds = _Deeds(run)
    app.add_url_rule("/dead/<any(replay, drop):deed>", "plan", deeds.plan, methods=["GET"])
    app.add_url_rule("/dead/<any(replay, drop):deed>", "begin", deeds.begin, methods=["POST"])
    app.add_url_rule("/jobs/<int:number>", "job", deeds.job, methods=["GET"])
    app.add_url_rule("/jobs/<int:number>", "stop", deeds.stop, methods=["POST"])


class _Deeds:
    def __init__(self, run: Run) -> None:
        self._run = run

    def plan(self, deed: str) -> str:
        """What would happen."""
        need("operator")
        choice, to = read_choice(request.args), target(self._run, request.args.get("to", ""))
        with looking():
            would = Replay(self._run.loaded, None, to or None).one if deed == "replay" else nothing
            planned = plan_of(self._look(choice), would, seconds=PLAN_TIME)
        return render_template("plan.html", deed=deed, choice=choice, to=to, plan=planned)

    def begin(self, deed: str) -> Answer:
        """Do it."""
        need("operator")
        choice, to = read_choice(request.form), target(self._run, request.form.get("to", ""))
        why = reason()
        if deed == "drop" and not why:
            abort(400, "Say why they are dropped: it is written down.")
        trail = Trail(self._run.pipeline.folder, deed, why, by=person().name)
        doer = Replay(self._run.loaded, trail, to or None) if deed == "replay" else Drop(self._run.loaded, trail)
        job = self._run.jobs.begin(deed, held(closing(doer), self._look(choice)), doer.one)
        if job is None:
            abort(409, BUSY)
        return redirect(url_for("job", number=job.number), 303)

    def job(self, number: int) -> str:
        """How it goes."""
        known = self._run.jobs.get(number)
        if known is None:
            abort(404, "Nothing is known of that any more. The audit trail says what was done.")
        return render_template("job.html", job=known)

    def stop(self, number: int) -> Answer:
        need("operator")
        if (known := self._run.jobs.get(number)) is not None:
            known.stopped = True
        return redirect(url_for("job", number=number), 303)

    def _look(self, choice: Choice) -> Look:
        return lambda goes_on: found(self._run.loaded, choice.queues, choice.filter, goes_on)


def target(run: Run, to: str) -> str:
    """The queue that a form names; empty: where each of them failed."""
    if to and to not in run.pipeline.queues:
        abort(400, f"This pipeline has no queue {to}.")
    return to


def nothing(_on: Shelf, _letter: DeadLetter) -> str:
    """A deed that only counts."""
    return ""
