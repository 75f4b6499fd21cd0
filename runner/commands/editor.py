"""A body in the operator's editor, as long as it takes until it can be sent. Left out: what can (see `editing`)."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import click

from runner.audit import Trail
from runner.config.loader import LoadedPipeline
from runner.deadletters import DeadLetter
from runner.editing import Draft
from runner.errors import RunnerError
from runner.message import Outgoing
from runner.operations import Replay, router_to, sent_in_place
from runner.routing import Router

NO_TERMINAL = (
    "there is no terminal to edit in: give the body with --file FILE, masks as 'runner dead show' prints them, or set"
    " EDITOR to a program that needs none"
)


def edit_and_send(loaded: LoadedPipeline, letter: DeadLetter, trail: Trail, to: str | None, given: str | None) -> str:
    """Edit its body, unless it is `given`, and send it in its place. Returns what has come of it, for people; raises
    RunnerError where it stays."""
    router = router_to(loaded, to or letter.queue)
    draft = Draft(letter, loaded.schemas.get(letter.queue))
    found: tuple[list[Outgoing], Path | None] | None
    if given is None:
        found = _edited(draft, router, letter.id)
    else:
        found = None if draft.is_unchanged(given) else (_checked(draft, router, given), None)
    if found is None:
        return "nothing was changed; it stays where it is"
    messages, path = found
    try:
        with closing(Replay(loaded, trail, to)) as resend:
            stays = sent_in_place(loaded, letter, lambda on, again: resend.send(on, again, messages))
    except RunnerError as error:  # it may have been sent, where the broker was lost
        raise RunnerError(f"{error}{_kept(draft, path, letter.id)}") from error
    if stays:
        raise RunnerError(f"it stays where it is: {stays}{_kept(draft, path, letter.id)}")
    if path is not None:
        path.unlink(missing_ok=True)
    return f"edited {letter.id}, and sent it again to {to or letter.queue}"


def _edited(draft: Draft, router: Router, id: str) -> tuple[list[Outgoing], Path] | None:
    """What is to be sent, and the file with its text; None: nothing was changed. Raises RunnerError, which names
    the file in which the text is kept, if anything has been written there."""
    if not sys.stdin.isatty() and not (os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        raise RunnerError(NO_TERMINAL)
    handle, name = tempfile.mkstemp(prefix="dead-letter-", suffix=".json")  # for its owner alone
    path = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(draft.text)
    try:
        messages = _edited_until_sendable(draft, router, path)
    except RunnerError as error:
        raise RunnerError(f"it stays where it is: {error}{_kept(draft, path, id)}") from error
    except (KeyboardInterrupt, click.Abort):
        raise RunnerError(f"it stays where it is: you have interrupted it{_kept(draft, path, id)}") from None
    if messages is None:
        path.unlink()
        return None
    return messages, path


def _edited_until_sendable(draft: Draft, router: Router, path: Path) -> list[Outgoing] | None:
    """None: nothing was changed. Raises RunnerError, and Abort."""
    while True:
        _open_editor(path)
        text = _read(path)
        if draft.is_unchanged(text):
            return None
        messages = draft.messages(text, router)
        if not isinstance(messages, str):
            return messages
        problem = f"it can't be sent: {messages}"
        if not sys.stdin.isatty():
            raise RunnerError(problem)
        click.echo(problem, err=True)
        if not click.confirm("edit it again?", default=True, err=True):
            raise RunnerError("you have given up")


def _checked(draft: Draft, router: Router, text: str) -> list[Outgoing]:
    messages = draft.messages(text, router)
    if isinstance(messages, str):
        raise RunnerError(f"it can't be sent, and stays where it is: {messages}")
    return messages


def _kept(draft: Draft, path: Path | None, id: str) -> str:
    """Where the text is that wasn't sent. A file in which nobody has written anything is removed."""
    if path is None or not path.exists():
        return ""
    if draft.is_unchanged(_read(path)):
        path.unlink()
        return ""
    return f"; your text is kept: go on with 'runner dead edit {id} --file {path}'"


def _open_editor(path: Path) -> None:
    try:
        click.edit(filename=str(path))
    except click.ClickException as error:
        raise RunnerError(f"{error.message} (set EDITOR, or use --file)") from None


def _read(path: Path) -> str:
    """Raises RunnerError where the editor has left no file."""
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise RunnerError(f"the editor has left no text in {path}: {(error.strerror or str(error)).lower()}") from None
