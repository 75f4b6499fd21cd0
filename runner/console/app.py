"""The Flask app of the console: its pages, and the headers that every answer has.

Left out: who serves it (see `rsgi`), and what a page shows (one module each).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException, NotFound

from runner.console import (
    dead,
    deeds,
    edit,
    file,
    guard,
    mailbox,
    message,
    metrics,
    overview,
    pausing,
    queue,
    trail,
    waiting,
)
from runner.console.access import Access
from runner.console.figures import Figures
from runner.console.run import Run

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""What a page may load: nothing from elsewhere, and nothing that stands in the page itself."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PAGES = (overview, queue, waiting, pausing, message, dead, deeds, edit, mailbox, trail, file, metrics)
"""Each adds its own views: `add(app, run)`."""


NAVIGATION = (
    ("overview", "Pipeline", ("overview", "queue", "pause", "waiting", "peek", "waiting_plan")),
    ("messages", "Messages", ("messages", "message")),
    ("dead", "Dead letters", ("dead", "letter", "reveal", "plan", "job", "edit", "edited")),
    ("mails", "Mailbox", ("mails", "mail")),
    ("audit", "Audit", ("audit",)),
    ("file", "File", ("file",)),
)
"""Where every page leads: a view, what it is called, and the views that count as there."""


def create_app(run: Run, look: Callable[[], Figures], access: Access) -> Flask:
    """The pages of `run` as a WSGI app, for those whom `access` knows; `look` makes the figures of live pages."""
    app = Flask("runner.console")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config["MAX_FORM_MEMORY_SIZE"] = None  # a body is bounded before it comes here
    app.after_request(_secured)
    app.register_error_handler(HTTPException, _refused)
    guard.add(app, access, run.console)
    for page in PAGES:
        page.add(app, run)
    pages = [entry for entry in NAVIGATION if entry[0] in app.view_functions]
    app.add_template_filter(when)
    app.context_processor(lambda: {"pipeline": run.pipeline, "look": look, "pages": pages})
    return app


def when(time: datetime | None) -> str:
    """UTC, to the second."""
    return "at an unknown time" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _secured(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refused(error: HTTPException) -> Response:
    """What somebody has written, and another page knows nothing of, isn't lost with it."""
    written = request.form.get("text", "") if g.get("session") else ""  # another site's form is not let so far
    detail = "There is no page at this address." if error.description == NotFound.description else error.description
    told = {"title": error.name.capitalize(), "detail": detail, "written": written}
    return Response(render_template("problem.html", **told), error.code or 500)
