"""The messages that wait on a queue, ready or delayed: looked at, cancelled, or drained into a file, as by
`runner queue`.

On RabbitMQ whoever looks takes those that are ready in hand, and they go to the end of their queue: so only an
operator looks, and no link of another site makes one look. Left out: how it is done (see `backlog`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from runner.audit import Trail
from runner.backlog import STATES, Drain, State, backlog
from runner.console.chosen import SPANS, Choice, read_choice
from runner.console.dead import body_for_people, looking
from runner.console.deeds import BUSY, PLAN_TIME, nothing
from runner.console.guard import need, person, reason
from runner.console.jobs import Job, Look, held, plan_of
from runner.console.run import Run
from runner.deadletters import DeadLetter
from runner.errors import RunnerError
from runner.operations import Drop
from runner.privacy.files import make_folder

MOST = 20
"""Messages that are shown."""
DRAINED = Path("var") / "drained"
"""Where they are kept that were drained, beside the pipeline's file."""

Shown = tuple[DeadLetter, State, str]
"""A message, whether it is ready, and its body as far as it may be shown."""


def add(app: Flask, run: Run) -> None:
    """Add the pages to `app`."""
    waiting, deed = _Waiting(run), "<any(cancel, drain):deed>"
    app.add_url_rule("/queues/<name>/waiting", "waiting", waiting.asked, methods=["GET"])
    app.add_url_rule("/queues/<name>/waiting", "peek", waiting.looked, methods=["POST"])
    app.add_url_rule(f"/queues/<name>/waiting/{deed}/plan", "waiting_plan", waiting.plan, methods=["POST"])
    app.add_url_rule(f"/queues/<name>/waiting/{deed}", "waiting_begin", waiting.begin, methods=["POST"])


class _Waiting:
    def __init__(self, run: Run) -> None:
        self._run = run

    def asked(self, name: str) -> str:
        """Which are meant."""
        need("operator")
        return render_template("waiting.html", choice=self._choice(name, request.args), spans=SPANS, shown=None)

    def looked(self, name: str) -> str:
        """Some of them."""
        need("operator")
        choice = self._choice(name, request.form)
        with looking():
            shown = list(islice(self._each(choice), MOST + 1))
        told = {"shown": shown[:MOST], "more": len(shown) > MOST}
        return render_template("waiting.html", choice=choice, spans=SPANS, **told)

    def plan(self, name: str, deed: str) -> str:
        """How many would be cancelled, or drained."""
        need("operator")
        choice = self._choice(name, request.form)
        with looking():
            planned = plan_of(self._look(choice), nothing, seconds=PLAN_TIME)
        return render_template("waiting_plan.html", deed=deed, choice=choice, plan=planned, folder=DRAINED)

    def begin(self, name: str, deed: str) -> Answer:
        """Do it."""
        need("operator")
        choice, why = self._choice(name, request.form), reason()
        if not why:
            abort(400, f"Say why you {deed} them: it is written down.")
        trail = Trail(self._run.pipeline.folder, deed, why, by=person().name)
        try:
            job = self._cancel(choice, trail) if deed == "cancel" else self._drain(choice, trail)
        except (RunnerError, OSError) as error:
            abort(503, str(error))
        return redirect(url_for("job", number=job.number), 303)

    def _cancel(self, choice: Choice, trail: Trail) -> Job:
        doer = Drop(self._run.loaded, trail)
        job = self._run.jobs.begin("cancel", held(closing(doer), self._look(choice)), doer.one, queue=choice.queue)
        return job if job is not None else abort(409, BUSY)

    def _drain(self, choice: Choice, trail: Trail) -> Job:
        folder = self._run.pipeline.folder
        make_folder(folder / DRAINED)
        path = DRAINED / f"{choice.queue}-{datetime.now(UTC):%Y%m%dT%H%M%S}Z.jsonl"
        move = Drain(self._run.loaded, trail, folder / path)
        job = self._run.jobs.begin(
            "drain", held(move, self._look(choice)), move.one, queue=choice.queue, file=str(path)
        )
        if job is None:
            with move:  # which takes the empty file away
                abort(409, BUSY)
        return job

    def _look(self, choice: Choice) -> Look:
        return lambda goes_on: backlog(self._run.loaded, choice.queues, choice.filter, goes_on)

    def _each(self, choice: Choice) -> Generator[Shown]:
        schema = self._run.loaded.schemas.get(choice.queue)
        for state in STATES:
            with closing(backlog(self._run.loaded, choice.queues, choice.filter, states=[state])) as messages:
                for _, message in messages:
                    yield message, state, body_for_people(message, schema)

    def _choice(self, name: str, values: Mapping[str, str]) -> Choice:
        if name not in self._run.pipeline.queues:
            abort(404, f"This pipeline has no queue {name}.")
        return read_choice({**values, "queue": name, "stage": ""})
