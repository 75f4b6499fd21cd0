"""The audit trail: what operators have done, and why."""

from __future__ import annotations

from flask import Flask, abort, render_template, request

from runner.audit import AUDIT, read_trail
from runner.console.run import Run
from runner.errors import RunnerError

MOST = 500
"""Deeds that are looked at, from the last one back."""


def add(app: Flask, run: Run) -> None:
    """Add the page to `app`."""

    @app.get("/audit")
    def audit() -> str:
        wanted = request.args.get("id", "").strip()
        try:
            deeds = [deed for deed in read_trail(run.pipeline.folder, MOST) if not wanted or deed.get("id") == wanted]
        except RunnerError as error:
            abort(503, str(error))
        return render_template("audit.html", deeds=deeds, wanted=wanted, file=AUDIT, most=MOST)
