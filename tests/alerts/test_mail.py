"""A notice as a mail, sent to a real SMTP server."""

from __future__ import annotations

from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from bench.ports import free_port
from runner.alerts.mail import Mails
from runner.config.loader import LoadedPipeline
from runner.errors import Pause, Reject, Retry
from runner.mailbox.server import MailboxServer
from runner.pipeline import Address
from tests.alerts.notices import notice
from tests.library.mail.relays import ScriptedRelay
from tests.pipelines import loaded


def pipeline(folder: Path, port: int) -> LoadedPipeline:
    return loaded(
        folder,
        f"""
        name: shop
        broker: BROKER
        queues: {{orders: {{}}}}
        stages: {{take: {{consume: orders, handler: "tests.config.handlers:take"}}}}
        alerts:
          dead_letters: 0
          mail:
            to: [ops@example.com, boss@example.com]
            settings: {{server: 127.0.0.1, port: {port}, default_sender: runner@example.com}}
        """,
    )


def mails(folder: Path, port: int) -> Mails:
    loaded = pipeline(folder, port)
    assert loaded.mailer is not None
    return Mails("shop", loaded.mailer, ["ops@example.com", "boss@example.com"])


def test_each_address_gets_a_mail_that_says_what_holds_since_when(tmp_path: Path) -> None:
    port = free_port()
    sending = mails(tmp_path, port)
    with MailboxServer(Address("127.0.0.1", port), tmp_path / "mailbox"):
        sending.send(notice())
        sending.send(notice("n2", firing=False))
        found = [
            BytesParser(policy=policy.default).parsebytes(file.read_bytes())
            for file in (tmp_path / "mailbox" / "new").iterdir()
        ]
    assert sorted((mail["To"], mail["Subject"]) for mail in found) == [
        ("boss@example.com", "[shop] orders has 3 dead letters"),
        ("boss@example.com", "[shop] over: orders has 3 dead letters"),
        ("ops@example.com", "[shop] orders has 3 dead letters"),
        ("ops@example.com", "[shop] over: orders has 3 dead letters"),
    ]
    assert len({mail["Message-ID"] for mail in found}) == 4
    [first] = [mail for mail in found if mail["To"] == "ops@example.com" and "over" not in mail["Subject"]]
    body = first.get_content()
    assert "Condition:  dead_letters of orders\n" in body
    assert "Since:      2027-01-15 07:58:30 UTC\n" in body


def test_while_the_server_is_away_it_is_tried_again_and_nobody_gets_it_twice(tmp_path: Path) -> None:
    port = free_port()
    sending = mails(tmp_path, port)
    with pytest.raises((Retry, Pause)):
        sending.send(notice())
    with MailboxServer(Address("127.0.0.1", port), tmp_path / "mailbox"):
        sending.send(notice())
        assert len(list((tmp_path / "mailbox" / "new").iterdir())) == 2


def test_one_address_that_bounces_keeps_the_mail_from_no_other(tmp_path: Path) -> None:
    with ScriptedRelay({"RCPT": lambda times: "550 5.1.1 no such user" if times == 1 else "250 ok"}) as relay:
        sending = mails(tmp_path, relay.port)
        with pytest.raises(Reject, match=r"for 1 of 2 addresses: bounced: 550 5\.1\.1 no such user"):
            sending.send(notice())
        assert [b"boss@example.com" in mail for mail in relay.mails] == [True]


def test_an_address_that_is_to_be_tried_later_holds_up_no_other_and_none_gets_it_twice(tmp_path: Path) -> None:
    with ScriptedRelay({"RCPT": lambda times: "450 4.2.0 greylisted" if times == 1 else "250 ok"}) as relay:
        sending = mails(tmp_path, relay.port)
        with pytest.raises(Retry, match="greylisted"):
            sending.send(notice())
        assert [b"boss@example.com" in mail for mail in relay.mails] == [True]
        sending.send(notice())
        assert [b"ops@example.com" in mail for mail in relay.mails] == [False, True]
