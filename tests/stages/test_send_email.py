"""The mails themselves, as a payer's mail program gets them, over real SMTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from runner import Message, Reject
from stages.notification import KINDS
from stages.process_payment import ProcessPayment
from stages.send_email import SendEmail
from stages.validate_payment import ValidatePayment
from tests.library.mail.relays import Relay, ScriptedRelay
from tests.stages.notifications import notification, payment


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as relay:
        yield relay


def stage(relay: Relay | ScriptedRelay, **settings: Any) -> SendEmail:
    defaults = {"server": "127.0.0.1", "port": relay.port, "default_sender": "Shop <shop@example.com>", "timeout": 5.0}
    return SendEmail(**{**defaults, **settings})


def sent(relay: Relay, message: Message, **settings: Any) -> EmailMessage:
    with stage(relay, **settings) as send:
        receipt = send(message)
    mail = relay.parsed()[-1]
    assert receipt["messageId"] == mail["Message-ID"]
    assert str(receipt["answer"]).startswith("250")
    return mail


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("kind", "subject", "sentence"),
    [
        ("paid", "Payment received", "we have received your payment"),
        ("declined", "Payment declined", "The account doesn't hold enough money."),
        ("refused", "Payment not accepted", "The card has expired."),
    ],
)
def test_each_kind_of_mail_has_a_text_and_an_html_part(relay: Relay, kind: str, subject: str, sentence: str) -> None:
    mail = sent(relay, notification(kind))

    assert mail["Subject"] == subject
    for form in ("plain", "html"):
        assert sentence in part(mail, form).replace("&#39;", "'")
        assert "Credit Card ending in 3456" in part(mail, form)
    assert not mail.defects
    assert not list(mail.iter_attachments())


def test_the_headers_are_those_of_a_transactional_mail(relay: Relay) -> None:
    mail = sent(relay, notification("paid"), reply_to="Help <help@example.com>")

    assert mail["From"] == "Shop <shop@example.com>"
    assert mail["To"] == "test-user@example.com"
    assert mail["Reply-To"] == "Help <help@example.com>"
    assert mail["Message-ID"] == "<0123abcd.paid@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert abs(parsedate_to_datetime(mail["Date"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert relay.envelopes == [("shop@example.com", ["test-user@example.com"])]


def test_the_same_notification_has_the_same_message_id_and_another_kind_another(relay: Relay) -> None:
    with stage(relay) as send:
        for kind in ("paid", "paid", "declined"):
            send(notification(kind))

    first, again, other = (mail["Message-ID"] for mail in relay.parsed())
    assert first == again != other


@pytest.mark.parametrize("odd", ["4111111111111111", "4111-1111-1111-1111", "4111_1111.1111.1111"])
def test_a_card_number_in_a_payments_id_does_not_get_into_the_mail(relay: Relay, odd: str) -> None:
    sent(relay, notification("paid", paymentId=odd))

    assert odd.encode() not in relay.mails[0]


def own_templates(folder: Path) -> Path:
    for kind in KINDS:
        (folder / f"{kind}.txt").write_text(f"Subject: Own {kind} für {{{{ user }}}}\n\nOwn text\n", encoding="utf-8")
        (folder / f"{kind}.html").write_text("<p>Own HTML</p>\n")
    return folder


def test_templates_of_ones_own_are_a_setting(relay: Relay, tmp_path: Path) -> None:
    mail = sent(relay, notification("declined"), templates=own_templates(tmp_path))

    assert mail["Subject"] == "Own declined für test-user@example.com"
    assert part(mail, "plain") == "Own text\n"
    assert part(mail, "html") == "<p>Own HTML</p>\n"


def test_the_whole_line_tells_a_payer_without_ever_showing_the_card(relay: Relay, tmp_path: Path) -> None:
    validate = ValidatePayment(test_cards=["1234567890123456"])
    with stage(relay) as send, ProcessPayment(charges=tmp_path / "charges.db") as process:
        for message in (payment(), payment(cardNo="4000000000009995"), payment(cardNo="1234567890123457")):
            body = validate(message)
            if "refusal" not in body:
                body = process(Message(message.id, body))
            send(Message(message.id, body))

    assert [mail["Subject"] for mail in relay.parsed()] == [
        "Payment received",
        "Payment declined",
        "Payment not accepted",
    ]
    for mail in relay.mails:
        for digits in (b"123456789012", b"400000000000"):
            assert digits not in mail


# -- What is refused before anything is sent --------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user": "a@example.com, b@example.com"}, "bounced: the text is not one bare address"),
        ({"user": ""}, "bounced: there is no address"),
        ({"user": None}, "bounced: there is no address"),
        ({"user": "ü@example.com"}, "bounced: the part before the @ is not ASCII"),
        ({"card": "1234567890123456"}, "card must be the last four digits"),
        ({"card": None}, "card must be the last four digits"),
        ({"kind": "lost"}, "kind must be one of paid, pending, declined, refused, refunded, disputed"),
        ({"user": "a@example.com\r\nBcc: b@example.com"}, "line break"),
        ({"user": "4111111111111111@example.com"}, "bounced: the payer's address holds a card number"),
        ({"user": "4111.1111.1111.1111@example.com"}, "bounced: the payer's address holds a card number"),
        ({"user": "a+4111_1111_1111_1111@example.com"}, "bounced: the payer's address holds a card number"),
    ],
)
def test_a_notification_that_can_not_be_mailed_is_rejected(changes: dict[str, Any], reason: str) -> None:
    with ScriptedRelay() as relay, stage(relay) as send:
        with pytest.raises(Reject, match=reason) as raised:
            send(notification("paid", **changes))

        assert "1234567890123456" not in str(raised.value)
        assert "1111" not in str(raised.value)
        assert relay.connections == 0


Placed = Callable[[str], dict[str, Any]]

_FIELDS: dict[str, Placed] = {
    "user": lambda text: {"user": f"a@example.com{text}"},
    "paymentType": lambda text: {"paymentType": text},
    "paymentId": lambda text: {"paymentId": text},
    "reference": lambda text: {"reference": text},
    "currency": lambda text: {"amount": 1, "currency": text},
    "charge": lambda text: {"charge": {"id": text, "time": "2026-11-22T23:45:10Z"}},
    "reason": lambda text: {"decline": {"code": "x", "reason": text}},
}
_BREAKS = st.sampled_from(["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", ""])
_INJECTED = st.sampled_from(
    ["Bcc: evil@example.com", "\r\n.\r\nMAIL FROM:<evil@example.com>", "Subject: evil", " x", ""]
)


@pytest.mark.parametrize("field", list(_FIELDS))
def test_no_field_can_bring_in_a_header_or_a_second_mail(field: str) -> None:
    with Relay() as relay, stage(relay) as send:

        @hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(before=st.text(max_size=8), lines=_BREAKS, injected=_INJECTED)
        @example(before="x", lines="\r\n", injected="Bcc: evil@example.com")
        @example(before="x", lines="\n\n", injected="evil")
        def try_it(before: str, lines: str, injected: str) -> None:
            taken = len(relay.mails)
            try:
                send(notification("declined", **_FIELDS[field](before + lines + injected)))
            except Reject:
                assert len(relay.mails) == taken
                return
            assert len(relay.mails) == taken + 1
            (mail,) = relay.parsed()[taken:]
            assert sorted(mail.keys()) == sorted(_HEADERS)
            assert mail["Subject"].startswith("Payment declined")
            ((_, recipients),) = relay.envelopes[taken:]
            assert len(recipients) == 1
            assert not recipients[0].startswith("evil")

        try_it()


_HEADERS = ["Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"]


# -- Settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"server": ""}, "server must be a host's name"),
        ({"port": 0}, "port must be from 1 to 65535, not 0"),
        ({"timeout": 0}, "timeout must be more than 0 and at most 600 seconds, not 0"),
        ({"default_sender": ""}, "default_sender: there is no address"),
        ({"default_sender": "Shop"}, "default_sender: the address has no @"),
        ({"default_sender": "a@example.com, b@example.com"}, "default_sender: the text is not one bare address"),
        (
            {"default_sender": "Shop\r\nBcc: x <shop@example.com>"},
            "the text is neither an address nor Name <address>",
        ),
        (
            {"default_sender": "Shop <shop@example.com> x"},
            "the text is neither an address nor Name <address>",
        ),
        ({"reply_to": "nobody"}, "reply_to: the address has no @"),
        ({"templates": Path("/nowhere")}, "/nowhere has no paid.txt"),
        ({"ca_file": Path("/nowhere")}, "there is no file /nowhere"),
    ],
)
def test_a_wrong_setting_is_said_to_be_so(wrong: dict[str, Any], sentence: str) -> None:
    good = {"server": "127.0.0.1", "port": 1025, "default_sender": "shop@example.com"}
    with pytest.raises(ValueError, match=sentence):
        SendEmail(**{**good, **wrong})


def test_checking_the_settings_loads_neither_flask_nor_jinja_nor_tls() -> None:
    """Or `runner check` would take four times as long."""
    program = (
        "import sys; from stages.send_email import SendEmail\n"
        "SendEmail(server='smtp.gmail.com', port=587, use_tls=True, username='u', password='p',"
        " default_sender='a@b.c')\n"
        "print(sorted({'flask', 'flask_mail', 'jinja2', 'smtplib', 'ssl', 'email'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
