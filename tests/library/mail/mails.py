"""Mailers and mails for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from typing import Any

import pytest

from runner import Pause, Reject, Retry
from runner.library.mail import Mail, Mailer, conversation
from runner.library.mail.conversation import Conversation
from tests.library.mail.relays import Answer, Relay, ScriptedRelay
from tests.waiting import TIMEOUT


def mailer(relay: Relay | ScriptedRelay, **settings: Any) -> Mailer:
    defaults = {"server": "127.0.0.1", "port": relay.port, "default_sender": "shop@example.com", "timeout": TIMEOUT}
    return Mailer(**{**defaults, **settings})


def mail(id: str = "first", to: str = "test-user@example.com") -> Mail:
    return Mail(id, to, "Payment received", "Thank you.", "<p>Thank you.</p>")


def failure(answers: dict[str, Answer], **settings: Any) -> tuple[Exception, ScriptedRelay]:
    """What sending a first mail raises where the server answers so."""
    orders = (Retry, Reject, Pause)
    with ScriptedRelay(answers) as relay, mailer(relay, **settings) as mails, pytest.raises(orders) as raised:
        mails.send(mail())
    return raised.value, relay


@contextmanager
def hurried(seconds: float = 0.3) -> Iterator[None]:
    """A server has so many seconds for each mail up to its end. To open the conversation, it and a busy machine have
    as many as the mailer says."""
    sendmail = Conversation.sendmail

    def send(self: Conversation, *arguments: Any) -> None:
        self.timeout = seconds
        sendmail(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Conversation, "sendmail", send)
        yield


@contextmanager
def hurried_at_the_end(seconds: float = 0.3) -> Iterator[None]:
    """A server has so many seconds for a mail that it has whole, and not ten minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversation, "END_OF_DATA", seconds)
        yield


def kept(mails: Mailer) -> Conversation:
    """The conversation that is open."""
    assert mails._outbox is not None
    assert mails._outbox._connection is not None
    return mails._outbox._connection.host


def message_id(mail: bytes) -> str:
    return str(message_from_bytes(mail)["Message-ID"])
