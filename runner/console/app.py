"""The Flask app of the console: its pages, and the headers that every answer has.

Left out: who serves it (see `rsgi`), and what a page shows (one module each).
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, render_template
from werkzeug.exceptions import HTTPException

from runner.console import file, mailbox, metrics, overview, queue
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
PAGES = (overview, queue, mailbox, file, metrics)
"""Each adds its own views: `add(app, run)`."""


NAVIGATION = (
    ("overview", "Pipeline", ("overview", "queue")),
    ("mails", "Mailbox", ("mails", "mail")),
    ("file", "File", ("file",)),
)
"""Where every page leads: a view, what it is called, and the views that count as there."""


def create_app(run: Run, look: Callable[[], Figures]) -> Flask:
    """The pages of `run` as a WSGI app; `look` makes the figures that live pages show."""
    app = Flask("runner.console")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.after_request(_secured)
    app.register_error_handler(HTTPException, _refused)
    for page in PAGES:
        page.add(app, run)
    pages = [entry for entry in NAVIGATION if entry[0] in app.view_functions]
    app.context_processor(lambda: {"pipeline": run.pipeline, "look": look, "pages": pages})
    return app


def _secured(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refused(error: HTTPException) -> tuple[str, int]:
    return render_template("problem.html", title=error.name, detail=error.description), error.code or 500
