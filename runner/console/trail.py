"""The audit trail: what operators have done, and why."""

from __future__ import annotations

from flask import Flask, abort, render_template, request

from runner.audit import AUDIT, deeds_of, read_trail
from runner.console.run import Run
from runner.errors import RunnerError
from runner.message import root_id
from runner.wording import counted

MOST = 500
"""Deeds that are shown, from the last one back."""


def add(app: Flask, run: Run) -> None:
    """Add the page to `app`."""

    @app.get("/audit")
    def audit() -> str:
        wanted, folder = request.args.get("id", "").strip(), run.pipeline.folder
        try:
            deeds = deeds_of(folder, root_id(wanted))[: -MOST - 1 : -1] if wanted else read_trail(folder, MOST)
        except RunnerError as error:
            abort(503, str(error))
        return render_template("audit.html", deeds=deeds, wanted=wanted, file=AUDIT, most=MOST, counted=counted)
