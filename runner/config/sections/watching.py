"""`mailbox`, `console` and `alerts`: what shows a run to people."""

from __future__ import annotations

import dataclasses

from runner.config.sections.formats import http_url, secret
from runner.config.sections.http import tls
from runner.config.sections.values import LONGEST_WAIT, Values, given
from runner.errors import Trail
from runner.pipeline import AlertMail, Alerts, Console, ConsoleToken, Mailbox, Webhook


def mailbox(values: Values) -> Mailbox:
    written = given(listen=values.listen("mailbox"), folder=values.parsed(("mailbox", "folder"), values.folder))
    mailbox = Mailbox(**written)
    return dataclasses.replace(mailbox, folder=values.file.parent / mailbox.folder)


def console(values: Values) -> Console:
    tokens = tuple(_token(values, ("console", "tokens", name)) for name in values.entries(("console", "tokens")))
    return Console(tls=tls(values, ("console", "tls")), tokens=tokens, **given(listen=values.listen("console")))


def _token(values: Values, trail: Trail) -> ConsoleToken:
    roles = values.value((*trail, "roles"))
    more = given(roles=None if roles is None else tuple(roles))
    return ConsoleToken(str(trail[-1]), values.value((*trail, "hash")) or "", **more)


def alerts(values: Values) -> Alerts:
    waits = {name: values.duration(("alerts", name), 1.0, LONGEST_WAIT) for name in ("oldest", "paused", "not_ready")}
    dead = values.whole(("alerts", "dead_letters"))
    return Alerts(dead_letters=dead, mail=_alert_mail(values), webhook=_webhook(values), **waits)


def _alert_mail(values: Values) -> AlertMail | None:
    if values.value(("alerts", "mail")) is None:
        return None
    to = tuple(values.texts(("alerts", "mail", "to")))
    return AlertMail(to, values.value(("alerts", "mail", "settings")) or {})


def _webhook(values: Values) -> Webhook | None:
    trail: Trail = ("alerts", "webhook")
    url = values.parsed((*trail, "url"), http_url)
    return None if url is None else Webhook(url, values.parsed((*trail, "secret"), secret))
