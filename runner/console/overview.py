"""The first page: the pipeline at a glance."""

from __future__ import annotations

from flask import Flask, render_template

from runner.console.run import Run
from runner.errors import BrokerError


def add(app: Flask, run: Run) -> None:
    """Add the page to `app`."""

    @app.get("/")
    def overview() -> str:
        pipeline, trouble = run.pipeline, ""
        depths = None
        try:
            depths = run.broker.depths(pipeline.queues)
        except BrokerError as error:
            trouble = str(error)
        stages = {stage.consume: stage for stage in pipeline.stages.values()}
        return render_template("overview.html", depths=depths or {}, trouble=trouble, stages=stages)
