"""`/metrics`: the counts of the run, for Prometheus and the like."""

from __future__ import annotations

import threading

from flask import Flask, Response, request

from runner.console.run import Run
from runner.observability.ages import Ages
from runner.observability.exposition import Queues, exposition


def add(app: Flask, run: Run) -> None:
    """Add the page to `app`."""
    ages, one_at_a_time = Ages(), threading.Lock()

    @app.get("/metrics")
    def metrics() -> Response:
        glance, snapshot = run.look(), run.snapshot()
        if glance.trouble:
            queues = Queues()
        else:
            stages = snapshot.sum.now.stages
            reached = {
                stage.consume: stages[stage.name].reached for stage in run.stages.values() if stage.name in stages
            }
            with one_at_a_time:
                queues = Queues(glance.depths, ages.oldest(glance.depths, reached))
        body, content_type = exposition(run.pipeline, snapshot, queues, request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)
