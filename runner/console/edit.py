"""The body of a dead letter, edited: checked, planned, and sent in its place as `runner dead edit` does.

What is sealed stands there as its mask, and stays sealed. Left out: what may be written (see `editing`).
"""

from __future__ import annotations

from contextlib import closing
from hashlib import sha256
from typing import NamedTuple

from flask import Flask, abort, render_template, request
from werkzeug.exceptions import HTTPException

from runner.audit import Trail
from runner.console.dead import letters_of, looking
from runner.console.deeds import target
from runner.console.guard import need, person, reason
from runner.console.run import Run
from runner.deadletters import DeadLetter, masked_body
from runner.editing import Draft, NotEditableError
from runner.message import Outgoing
from runner.operations import Replay, router_to, sent_in_place

LONGEST = 64 << 10
"""Characters of a body that is edited here: each may take twelve bytes of a form, which `rsgi.LARGEST_BODY` bounds."""
CHANGED = "Somebody has replayed or dropped it meanwhile, or it has failed again. Begin anew with what is there now."


def add(app: Flask, run: Run) -> None:
    """Add the pages to `app`."""
    edit = _Edit(run)
    app.add_url_rule("/dead/edit", "edit", edit.begin, methods=["GET"])
    app.add_url_rule("/dead/edit", "edited", edit.go_on, methods=["POST"])


class _Written(NamedTuple):
    """What a form says: whose body it is, what was shown (see `_stamp`), and what is to be sent in its place."""

    queue: str
    id: str
    stamp: str
    text: str
    to: str = ""


class _Edit:
    def __init__(self, run: Run) -> None:
        self._run = run

    def begin(self) -> str:
        """The body in a form."""
        need("operator")
        with looking():
            letter = self._letter(request.args.get("queue", ""), request.args.get("id", ""))
            draft = self._draft(letter)
        return _form(_Written(letter.queue, letter.id, _stamp(letter, draft), draft.text))

    def go_on(self) -> str | tuple[str, int]:
        """What was written: refused, planned, or sent. Whatever keeps it from that, it comes back."""
        need("operator")
        form, to = request.form, target(self._run, request.form.get("to", ""))
        text = form.get("text", "").replace("\r\n", "\n")
        written = _Written(form.get("queue", ""), form.get("id", ""), form.get("stamp", ""), text, to)
        try:
            with looking():
                return self._gone_on(written, form.get("step", ""))
        except HTTPException as error:
            return _form(written, error.description or error.name), error.code or 500

    def _gone_on(self, written: _Written, step: str) -> str:
        letter = self._letter(written.queue, written.id)
        draft = self._draft(letter)
        if written.stamp != _stamp(letter, draft):
            abort(409, CHANGED)
        if step == "edit":
            return _form(written)
        if draft.is_unchanged(written.text):
            return _form(written, "Nothing is changed.")
        messages = draft.messages(written.text, router_to(self._run.loaded, written.to or letter.queue))
        if isinstance(messages, str):
            return _form(written, f"It can't be sent: {messages}.")
        if step == "send":
            return self._send(letter, messages, written.to)
        schema = self._run.loaded.schemas.get(written.to or letter.queue)
        bodies = {masked_body(message.payload, letter.id, schema) for message in messages}
        return render_template("edit_plan.html", written=written, bodies=sorted(bodies))

    def _send(self, letter: DeadLetter, messages: list[Outgoing], to: str) -> str:
        trail = Trail(self._run.pipeline.folder, "edit", reason(), by=person().name)
        with closing(Replay(self._run.loaded, trail, to or None)) as resend:
            stays = sent_in_place(self._run.loaded, letter, lambda on, again: resend.send(on, again, messages))
        if stays:
            abort(409, f"It stays where it is: {stays}.")
        return render_template("edited.html", letter=letter, to=to or letter.queue)

    def _letter(self, queue: str, id: str) -> DeadLetter:
        letters = letters_of(self._run, queue, id)
        if len(letters) > 1:
            abort(409, f"There are {len(letters)} of {id}: 'runner dead edit' tells them apart, by --since.")
        return letters[0]

    def _draft(self, letter: DeadLetter) -> Draft:
        try:
            draft = Draft(letter, self._run.loaded.schemas.get(letter.queue))
        except NotEditableError as error:
            abort(409, f"It can't be edited: {error}.")
        if len(draft.text) > LONGEST:
            abort(409, f"Its body is longer than {LONGEST:,} characters: use 'runner dead edit {letter.id}'.")
        return draft


def _form(written: _Written, problem: str = "") -> str:
    return render_template("edit.html", written=written, problem=problem)


def _stamp(letter: DeadLetter, draft: Draft) -> str:
    """Tells apart what was shown from what has come in its place. It is made of what anybody may see."""
    return sha256(f"{letter.time}\n{draft.text}".encode(errors="replace")).hexdigest()
