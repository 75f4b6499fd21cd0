"""Mails by the ready stage, as their recipient gets them. Over real SMTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from runner import Message, Reject
from runner.library.mail import SendMail
from tests.library.mail.relays import Relay, ScriptedRelay

BODY = {"to": "reader@example.com", "subject": "Grüße ✓", "text": "Hello,\n\nreader.\n"}


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as relay:
        yield relay


def stage(relay: Relay | ScriptedRelay, **settings: Any) -> SendMail:
    defaults = {"server": "127.0.0.1", "port": relay.port, "default_sender": "News <news@example.com>"}
    return SendMail(**{**defaults, **settings})


def sent(relay: Relay, body: object, id: str = "0123abcd", **settings: Any) -> EmailMessage:
    with stage(relay, **settings) as send:
        send(Message(id, body))
    [mail] = relay.parsed()
    return mail


def test_a_body_becomes_a_mail(relay: Relay) -> None:
    mail = sent(relay, {**BODY, "and": "more"}, reply_to="help@example.com")

    headers = {name: mail[name] for name in ("From", "To", "Reply-To", "Subject", "Message-ID", "Auto-Submitted")}
    assert headers == {
        "From": "News <news@example.com>",
        "To": "reader@example.com",
        "Reply-To": "help@example.com",
        "Subject": "Grüße ✓",
        "Message-ID": "<0123abcd@example.com>",
        "Auto-Submitted": "auto-generated",
    }
    assert relay.envelopes == [("news@example.com", ["reader@example.com"])]
    assert mail.get_content() == "Hello,\r\n\r\nreader.\r\n"


def test_html_is_a_part_of_its_own(relay: Relay) -> None:
    mail = sent(relay, {**BODY, "html": "<p>Hello, reader.</p>"})

    html = mail.get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == "<p>Hello, reader.</p>"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("hello", "must be an object with to, subject and text"),
        ({"to": "reader@example.com", "text": "x"}, "subject must be text"),
        ({**BODY, "text": 5}, "text must be text"),
        ({**BODY, "html": None}, "html must be text"),
        ({**BODY, "to": "a@example.com, b@example.com"}, "bounced: the text is not one bare address"),
        ({**BODY, "subject": "x\r\nBcc: b@example.com"}, "the subject has a line break"),
    ],
)
def test_a_body_that_is_no_mail_is_rejected_before_anything_is_sent(body: object, reason: str) -> None:
    with ScriptedRelay() as relay, stage(relay) as send:
        with pytest.raises(Reject, match=reason):
            send(Message("1", body))

        assert relay.connections == 0


def test_checking_the_settings_loads_neither_flask_nor_tls() -> None:
    """Or `runner check` would take four times as long."""
    program = (
        "import sys; from runner.library.mail import SendMail\n"
        "SendMail(server='smtp.gmail.com', port=587, use_tls=True, username='u', password='p',"
        " default_sender='a@b.c')\n"
        "print(sorted({'flask', 'flask_mail', 'jinja2', 'smtplib', 'ssl', 'email'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
