"""A mail on the wire, as a reader's mail program gets it. Over real SMTP."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from runner.library.mail import Mail
from tests.library.mail.mails import mailer
from tests.library.mail.relays import Relay


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as relay:
        yield relay


def sent(relay: Relay, subject: str, text: str, html: str = "") -> EmailMessage:
    with mailer(relay) as mails:
        mails.send(Mail("1", "reader@example.com", subject, text, html))
    return relay.parsed()[-1]


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def test_long_lines_and_other_alphabets_arrive_as_they_were(relay: Relay) -> None:
    line = "Grüße ✓ 東京 " + "x" * 1200 + "\n"
    mail = sent(relay, "Long", line, f"<p>{line}</p>")

    assert part(mail, "plain") == line
    assert line.strip() in part(mail, "html")
    assert relay.mails[0].isascii()
    assert max(map(len, relay.mails[0].splitlines())) <= 998


@pytest.mark.parametrize("length", [1, 30, 60, 100, 300])
@pytest.mark.parametrize("letter", ["x", "ü", "東", "x ü"])
def test_a_subject_of_any_length_arrives_as_it_was(relay: Relay, letter: str, length: int) -> None:
    assert sent(relay, letter * length, ".\n")["Subject"] == letter * length
    first_line = next(line for line in relay.mails[0].splitlines() if line.startswith(b"Subject:"))
    assert len(first_line) > len("Subject: ")


def test_a_line_with_a_single_dot_does_not_end_the_mail(relay: Relay) -> None:
    assert part(sent(relay, "Dots", ".\n..\n.end\n"), "plain") == ".\n..\n.end\n"


def test_without_html_it_has_a_text_and_nothing_else(relay: Relay) -> None:
    mail = sent(relay, "Plain", "Hello\n")

    assert mail.get_content_type() == "text/plain"
    assert not mail.defects


def test_with_html_it_has_both(relay: Relay) -> None:
    mail = sent(relay, "Both", "Hello\n", "<p>Hello</p>\n")

    assert [part.get_content_type() for part in mail.walk() if not part.is_multipart()] == ["text/plain", "text/html"]
    assert not mail.defects
