"""What `production: true` refuses: that which is only for development. An intake that anybody may
post to is worth a warning even there.

Left out: what is wrong in development, too (see `runner.config.checks`).
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.config.draft import Draft
from runner.errors import KeysError, Problem, Severity, Trail
from runner.hosts import is_loopback
from runner.privacy.keyset import read_keys


def production_problems(draft: Draft, *, mends_keys: bool = False) -> Iterator[Problem]:
    """What must not be in production, if the file says that this is it; else the warnings. `mends_keys`: whatever
    is wrong with the keys is about to be mended."""
    yield from _open_to_all(draft)
    yield from _console_open_to_all(draft)
    if not draft.pipeline.production:
        return
    if draft.pipeline.mailbox is not None:
        message = "mailbox keeps mails and delivers none, and this is production; remove it"
        yield draft.document.problem(("mailbox",), message, key=True)
    if not mends_keys:
        yield from _made_up_keys(draft)


def _open_to_all(draft: Draft) -> Iterator[Problem]:
    """Each route that other machines may post to without saying who they are."""
    http = draft.pipeline.http
    if http is None or is_loopback(http.listen.host):
        return
    for route in http.routes:
        trail: Trail = ("http", "routes", str(route))
        asks = draft.document.node((*trail, "auth"))
        unread = asks is not None and asks.value != "off"  # which is told as such
        if route.knows_callers or unread or draft.document.node((*trail, "verify")) is not None:
            continue
        message = (
            f"route {route}: other machines reach {http.listen}, and nothing asks them who they are; "
            "add 'auth: api_key' or 'verify', or listen on 127.0.0.1, behind a proxy that asks"
        )
        severity: Severity = "error" if draft.pipeline.production else "warning"
        yield draft.document.problem(trail, message, key=True, severity=severity)


def _console_open_to_all(draft: Draft) -> Iterator[Problem]:
    """A console that other machines reach: it asks who they are, and nobody on the way reads what they answer."""
    console = draft.pipeline.console
    if console is None or is_loopback(console.listen.host):
        return
    severity: Severity = "error" if draft.pipeline.production else "warning"
    reached = f"console: other machines reach {console.listen}"
    if not console.tokens and draft.document.node(("console", "tokens")) is None:
        message = (
            f"{reached}, and nothing asks them who they are; add 'tokens' ('runner token NAME'), or listen on 127.0.0.1"
        )
        yield draft.document.problem(("console",), message, key=True, severity=severity)
    if console.tls is None and draft.document.node(("console", "tls")) is None:
        message = f"{reached}, and tokens would pass the network in the clear; add 'tls', or listen on 127.0.0.1"
        yield draft.document.problem(("console",), message, key=True, severity=severity)


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
