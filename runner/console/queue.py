"""The page of a queue and of the stage that consumes it."""

from __future__ import annotations

from flask import Flask, abort, render_template

from runner.config.arrows import arrows_of
from runner.config.written import queue_text, stage_text
from runner.console.pausing import pause_of
from runner.console.run import Run
from runner.topology import dead_letter_queue, plan
from runner.units import format_duration


def add(app: Flask, run: Run) -> None:
    """Add the page to `app`."""

    @app.get("/queues/<name>")
    def queue(name: str) -> str:
        planned = run.pipeline.queues.get(name)
        if planned is None:
            abort(404, f"This pipeline has no queue {name}.")
        stage = run.stages.get(name)
        topology = plan(run.pipeline)
        return render_template(
            "queue.html",
            queue=planned,
            stage=stage,
            pausable=stage is not None and run.ledger is not None and not run.ledger.away,
            pause=pause_of(run, stage),
            arrows=list(arrows_of(stage.publish, topology)) if stage else [],
            waits=[format_duration(wait) for wait in stage.retry.table()] if stage else [],
            dead_letters=dead_letter_queue(name),
            queue_text=queue_text(run.loaded, name),
            stage_text=stage_text(run.loaded, stage.name) if stage else "",
        )
