"""The file as it runs: with every default, and without secrets."""

from __future__ import annotations

from flask import Flask, render_template

from runner.config.written import written
from runner.console.run import Run


def add(app: Flask, run: Run) -> None:
    """Add the page to `app`."""
    text = written(run.loaded)

    @app.get("/file")
    def file() -> str:
        return render_template("file.html", text=text, path=run.pipeline.file)
