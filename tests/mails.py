"""Mails for the tests, and a mailbox for them."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

from runner.mailbox.server import MailboxServer
from runner.pipeline import Address

ANYWHERE = Address("127.0.0.1", 0)


def mail(subject: str = "Hello", *, to: str = "payer@example.com", html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{''.join(filter(str.isalnum, subject.split()[-1]))}.paid@example.com>"
    message.set_content("Dear payer,\n\n.\nGrüße\n")
    if html:
        message.add_alternative(html, subtype="html")
    return message


def send(server: MailboxServer, *messages: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, "test") as client:
        for message in messages:
            client.send_message(message)
