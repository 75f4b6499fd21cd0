"""The first page: the pipeline as a graph, and its queues in figures."""

from __future__ import annotations

from flask import Flask, render_template

from runner.console.graph import graphs_of
from runner.console.run import Run


def add(app: Flask, run: Run) -> None:
    """Add the page to `app`."""
    graphs = graphs_of(run.pipeline)  # they change only with the file

    @app.get("/")
    def overview() -> str:
        told = {"stages": run.stages, "processes": run.processes}
        return render_template("overview.html", graphs=graphs, **told)
