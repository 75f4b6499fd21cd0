"""The dead letters, to look at: by kind of error, and one by one.

Left out: what an operator does to them (see `deeds`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from flask import Flask, abort, render_template, request

from runner.audit import Trail
from runner.console.chosen import SPANS, choice_of, read_choice
from runner.console.guard import need, person, reason
from runner.console.run import Run
from runner.deadletters import DeadLetter, body_of, grouped
from runner.errors import RunnerError
from runner.message import is_usable, root_id
from runner.opening import reveal as opened
from runner.opening import sealed_fields
from runner.operations import TargetError, found
from runner.validation.schema import Schema
from runner.wording import counted

MOST_LISTED = 100
"""Of a queue's, the newest, that are listed one by one."""
MOST_OF_ONE = 20
"""Dead letters of one id that are shown."""
LONGEST = 50_000
"""Characters of a body that are shown."""
PATIENCE = 15.0
"""Seconds that a page waits until another one has looked at them. It holds one of the console's few threads."""
_LOOKING = threading.Lock()


def add(app: Flask, run: Run) -> None:
    """Add the pages to `app`."""

    @app.get("/dead")
    def dead() -> str:
        choice = read_choice(request.args)
        with looking():
            newest = deque[DeadLetter](maxlen=MOST_LISTED if choice.queue else 0)
            groups = grouped(_kept(newest, (one for _, one in found(run.loaded, choice.queues, choice.filter))))
        rows = [(group, choice_of(group, choice.since)) for group in groups]
        told = {"letters": [*reversed(newest)], "count": sum(group.count for group in groups), "counted": counted}
        return render_template("dead.html", rows=rows, choice=choice, spans=SPANS, **told)

    @app.post("/dead/<queue>/<path:id>")
    def reveal(queue: str, id: str) -> str:
        need("revealer")
        name, why = request.form.get("field", ""), reason()
        if not why:
            abort(400, "Say why you open it: it is written down.")
        if (sealer := run.loaded.sealer) is None:
            abort(404, "This pipeline has no keys, and seals nothing.")
        with looking():
            one = letters_of(run, queue, id)[0]
            trail = Trail(run.pipeline.folder, "reveal", why, by=person().name)
            values = opened(one, name, sealer, trail)
        return render_template("revealed.html", letter=one, field=name, values=values)

    @app.get("/dead/<queue>/<path:id>")
    def letter(queue: str, id: str) -> str:
        choice = read_choice({"queue": queue, "id": id})
        with looking():
            letters = letters_of(run, queue, id)
        sealed = sealed_fields(letters[0]) if run.loaded.sealer is not None and person().may("revealer") else []
        told = {"sealed": sealed, "remembered": run.ledger is not None and is_usable(id), "root": root_id(id)}
        bodies = [body_for_people(one, run.loaded.schemas.get(one.queue)) for one in letters]
        return render_template("letter.html", letters=list(zip(letters, bodies, strict=True)), choice=choice, **told)


def _kept(last: deque[DeadLetter], letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
    for letter in (whole.without_body() for whole in letters):
        last.append(letter)
        yield letter


@contextmanager
def looking() -> Iterator[None]:
    """One page at a time looks at dead letters, or at what waits. What keeps it from that is an answer."""
    if not _LOOKING.acquire(timeout=PATIENCE):
        abort(503, "Another page still looks at messages. Try again in a moment.")
    try:
        yield
    except TargetError as error:
        abort(404, f"That isn't here: {error}.")
    except RunnerError as error:
        abort(503, f"The messages can't be looked at: {error}. Try again in a moment.")
    finally:
        _LOOKING.release()


def letters_of(run: Run, queue: str, id: str) -> list[DeadLetter]:
    """The dead letters of that id: one, as a rule."""
    choice = read_choice({"queue": queue, "id": id})
    letters = [one for _, one in islice(found(run.loaded, choice.queues, choice.filter), MOST_OF_ONE)] if id else []
    if not letters:
        abort(404, f"{id[:100]} is not among the dead letters of {queue}; it may have been replayed or dropped.")
    return letters


def body_for_people(letter: DeadLetter, schema: Schema | None) -> str:
    """As far as it may be shown, and a browser can bear it."""
    if letter.sealed:
        return f"(sealed as a whole: {letter.sealed})"
    text = body_of(letter, schema)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… ({len(text):,} characters in all)"
