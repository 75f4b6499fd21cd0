"""Mailers and mails for tests."""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

import pytest

from runner import Pause, Reject, Retry
from runner.library.mail import Mail, Mailer
from tests.library.mail.relays import Answer, Relay, ScriptedRelay


def mailer(relay: Relay | ScriptedRelay, **settings: Any) -> Mailer:
    defaults = {"server": "127.0.0.1", "port": relay.port, "default_sender": "shop@example.com", "timeout": 5.0}
    return Mailer(**{**defaults, **settings})


def mail(id: str = "first", to: str = "test-user@example.com") -> Mail:
    return Mail(id, to, "Payment received", "Thank you.", "<p>Thank you.</p>")


def failure(answers: dict[str, Answer], **settings: Any) -> tuple[Exception, ScriptedRelay]:
    """What sending a first mail raises where the server answers so."""
    orders = (Retry, Reject, Pause)
    with ScriptedRelay(answers) as relay, mailer(relay, **settings) as mails, pytest.raises(orders) as raised:
        mails.send(mail())
    return raised.value, relay


def message_id(mail: bytes) -> str:
    return str(message_from_bytes(mail)["Message-ID"])
