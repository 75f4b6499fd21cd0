"""What a stage's mails have in common: sender, recipient, Message-ID; and when they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest

from tests.library.mail.mails import mail, mailer
from tests.library.mail.relays import Relay, ScriptedRelay


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as relay:
        yield relay


def sent(relay: Relay, mail_id: str = "1", to: str = "reader@example.com", **settings: str) -> EmailMessage:
    with mailer(relay, **settings) as mails:
        mails.send(mail(mail_id, to))
    return relay.parsed()[-1]


@pytest.mark.parametrize(
    "sender",
    [
        "shop@example.com",
        "Shop <shop@example.com>",
        '"Shop, Inc." <shop@example.com>',
        "Käse & Söhne <shop@example.com>",
        f"A shop with a {'long ' * 20}name <shop@example.com>",
        f'"A shop, and its {"long " * 20}name" <shop@example.com>',
    ],
)
def test_the_sender_may_have_a_name(relay: Relay, sender: str) -> None:
    [address] = sent(relay, default_sender=sender)["From"].addresses
    assert address.addr_spec == "shop@example.com"
    assert address.display_name == sender.partition("<")[0].strip(' "').removesuffix("shop@example.com")
    assert relay.envelopes[0][0] == "shop@example.com"


@pytest.mark.parametrize(
    ("setting", "header"),
    [
        ("Shop <shop@example.com>", b"Shop <shop@example.com>"),
        ('"Shop, Inc." <shop@example.com>', b'"Shop, Inc." <shop@example.com>'),
        ("shop@example.com", b"shop@example.com"),
        ("Käse <shop@example.com>", b"=?utf-8?b?S8Okc2U=?= <shop@example.com>"),
    ],
)
def test_a_name_in_ascii_stands_in_the_header_as_it_was_written(relay: Relay, setting: str, header: bytes) -> None:
    sent(relay, default_sender=setting, reply_to=setting)

    lines = relay.mails[0].splitlines()
    assert b"From: " + header in lines
    assert b"Reply-To: " + header in lines


def test_there_is_a_reply_to_only_where_one_is_set(relay: Relay) -> None:
    assert sent(relay)["Reply-To"] is None
    assert sent(relay, reply_to="Help <help@example.com>")["Reply-To"] == "Help <help@example.com>"


def test_an_international_domain_is_mailed_to_in_its_ascii_form(relay: Relay) -> None:
    sent(relay, to="someone@bücher.example")

    assert relay.envelopes[0][1] == ["someone@xn--bcher-kva.example"]


def test_a_long_message_id_stays_on_the_line_of_its_name(relay: Relay) -> None:
    sent(relay, "a" * 120, default_sender=f"shop@{'b' * 50}.example")

    assert f"Message-ID: <{'a' * 120}@{'b' * 50}.example>".encode() in relay.mails[0].splitlines()


@pytest.mark.parametrize("odd", ["an id with spaces", "über", "a>b", "x" * 200, "a..b", '"', "", "a\r\nBcc: b@c.de"])
def test_an_id_that_can_not_stand_in_a_message_id_is_hashed_always_alike(relay: Relay, odd: str) -> None:
    first, again, other = (sent(relay, mail_id)["Message-ID"] for mail_id in (odd, odd, f"{odd}!"))

    local, _, domain = first.strip("<>").partition("@")
    assert (len(local), local.isalnum(), domain) == (32, True, "example.com")
    assert first == again != other


def test_each_mail_has_the_time_at_which_it_was_sent(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    with mailer(relay) as mails:
        for now in (1_800_000_000, 1_800_000_060):
            monkeypatch.setattr("flask_mail.time.time", lambda now=now: now)
            mails.send(mail())

    first, second = (parsedate_to_datetime(mail["Date"]) for mail in relay.parsed())
    assert second - first == timedelta(minutes=1)


def test_it_can_be_called_without_being_entered(relay: Relay) -> None:
    mails = mailer(relay)
    mails.send(mail())
    mails.__exit__(None, None, None)

    assert len(relay.mails) == 1


def test_entering_opens_no_connection() -> None:
    with ScriptedRelay() as relay:
        with mailer(relay):
            pass

        assert relay.connections == 0
