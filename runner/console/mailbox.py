"""The development mailbox: each mail as its reader sees it.

A mail's HTML comes from whoever wrote it. It is shown in a frame of its own, which runs no script,
loads nothing from anywhere, and belongs to no site.
"""

from __future__ import annotations

from flask import Flask, Response, abort, render_template

from runner.console.run import Run
from runner.mailbox.maildir import NoMailError, StoredMail, count_mails, list_mails, read_mail

MOST = 100
"""Mails in the list."""
SHOWN = ("From", "To", "Reply-To", "Date", "Subject", "Message-ID", "Auto-Submitted")
FRAME_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
"""A mail may have styles, which only it sees."""


def add(app: Flask, run: Run) -> None:
    """Add the pages to `app`, if the pipeline has a mailbox."""
    mailbox = run.pipeline.mailbox
    if mailbox is None:
        return
    folder = mailbox.folder

    def found(which: str) -> StoredMail:
        try:
            return read_mail(folder, which)
        except NoMailError as error:
            abort(404, str(error))

    @app.get("/mailbox")
    def mails() -> str:
        listed = list_mails(folder, most=MOST)
        return render_template("mails.html", mails=listed, count=count_mails(folder), address=mailbox.listen)

    @app.get("/mailbox/<which>")
    def mail(which: str) -> str:
        stored = found(which)
        headers = [(name, value) for name in SHOWN if (value := stored.header(name))]
        return render_template("mail.html", mail=stored, which=which, headers=headers)

    @app.get("/mailbox/<which>/html")
    def mail_frame(which: str) -> Response:
        html = found(which).html
        if html is None:
            abort(404, "This mail has no HTML.")
        response = Response(html, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = FRAME_POLICY
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response
