"""What `production: true` refuses: that which is only for development.

Left out: what is wrong in development, too (see `runner.config.checks`).
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.config.draft import Draft
from runner.errors import KeysError, Problem
from runner.hosts import is_loopback
from runner.pipeline import Http
from runner.privacy.keyset import read_keys


def production_problems(draft: Draft) -> Iterator[Problem]:
    """What must not be in production, if the file says that this is it."""
    if not draft.pipeline.production:
        return
    if draft.pipeline.mailbox is not None:
        message = "mailbox keeps mails and delivers none, and this is production; remove it"
        yield draft.document.problem(("mailbox",), message, key=True)
    if (http := draft.pipeline.http) is not None and is_open_to_all(http):
        message = (
            f"http.listen {http.listen} can be reached from other machines, nothing asks who posts, and this is "
            "production; listen on 127.0.0.1, behind a proxy that asks"
        )
        yield draft.document.problem(("http", "listen"), message)
    yield from _made_up_keys(draft)


def is_open_to_all(http: Http) -> bool:
    """Whether other machines may post without saying who they are: so far, nothing asks them."""
    return not is_loopback(http.listen.host)


def _made_up_keys(draft: Draft) -> Iterator[Problem]:
    """A process that only carries needs no keys, so that a missing file is no fault here."""
    path = draft.pipeline.keys
    if path is None or not path.exists():
        return
    try:
        made_up = read_keys(path).made_up
    except KeysError as error:
        yield draft.document.problem(("keys",), str(error))
        return
    if made_up:
        message = (
            "keys has a key that a run made up for development, and this is production; "
            "name a file that 'runner keys generate' has made, or rotate it and retire that key"
        )
        yield draft.document.problem(("keys",), message)
