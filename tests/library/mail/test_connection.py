"""TLS and log-in, with servers that have certificates and passwords. Over real SMTP."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from runner import Pause
from tests.certificates import Certificate
from tests.library.mail.mails import failure, mail, mailer
from tests.library.mail.relays import Answer, Relay

LOGIN = ("shop", "opensesame")
WITH_LOGIN = {"username": LOGIN[0], "password": LOGIN[1]}


@pytest.mark.parametrize("first_byte", [False, True])
def test_a_certificate_that_nobody_vouches_for_is_refused_before_a_password_is_shown(
    certificate: Certificate, first_byte: bool
) -> None:
    tls = certificate.server_context()
    with (
        Relay(tls=tls, from_the_first_byte=first_byte, login=LOGIN) as relay,
        mailer(relay, use_tls=not first_byte, use_ssl=first_byte, **WITH_LOGIN) as mails,
    ):
        with pytest.raises(Pause, match=r"certificate can't be trusted: self-signed certificate.*ca_file") as raised:
            mails.send(mail())

        assert (relay.logins, relay.mails) == ([], [])
        assert "opensesame" not in repr(raised.value) + repr(raised.value.__cause__)


def test_a_certificate_of_another_server_is_refused(certificate: Certificate) -> None:
    with (
        Relay(tls=certificate.server_context(), login=LOGIN) as relay,
        mailer(relay, use_tls=True, ca_file=certificate.file, **WITH_LOGIN) as mails,
    ):
        with pytest.raises(Pause, match=r"certificate can't be trusted: .*IP address mismatch"):
            mails.send(mail())

        assert relay.logins == []


@pytest.mark.parametrize("first_byte", [False, True])
def test_with_an_authority_that_is_trusted_and_the_right_password_the_mail_is_sent(
    certificate: Certificate, first_byte: bool
) -> None:
    with (
        Relay(tls=certificate.server_context(), from_the_first_byte=first_byte, login=LOGIN) as relay,
        mailer(
            relay,
            server="localhost",
            use_tls=not first_byte,
            use_ssl=first_byte,
            ca_file=certificate.file,
            **WITH_LOGIN,
        ) as mails,
    ):
        mails.send(mail())

        assert relay.logins == [LOGIN]
        assert len(relay.mails) == 1


def test_who_asks_what_the_relay_is_like_logs_in_and_sends_nothing(certificate: Certificate) -> None:
    with (
        Relay(tls=certificate.server_context(), login=LOGIN) as relay,
        mailer(relay, server="localhost", use_tls=True, ca_file=certificate.file, **WITH_LOGIN) as mails,
    ):
        told = mails.probe()

        assert re.search(r"is ready for mails; TLSv1\.[23], with a certificate until .+ GMT, logged in as shop$", told)
        assert (relay.logins, relay.mails) == ([LOGIN], [])


def test_a_wrong_password_pauses_the_stage_and_says_so_without_it(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "runner")
    with (
        Relay(tls=certificate.server_context(), login=("shop", "other")) as relay,
        mailer(relay, server="localhost", use_tls=True, ca_file=certificate.file, **WITH_LOGIN) as mails,
    ):
        with pytest.raises(Pause, match=r"refuses the log-in: 535 .*app password") as raised:
            mails.send(mail())

        assert relay.mails == []
        assert "opensesame" not in repr(raised.value) + repr(raised.value.__cause__) + caplog.text


def test_gmails_too_many_logins_pauses_the_stage_for_a_quarter_of_an_hour() -> None:
    answers: dict[str, Answer] = {
        "EHLO": "250-hello\n250 AUTH PLAIN",
        "AUTH": "454 4.7.0 Too many login attempts, please try again later.",
    }
    error, _ = failure(answers, **WITH_LOGIN)

    assert isinstance(error, Pause)
    assert error.delay == 15 * 60
    assert "wants fewer log-ins: 454 4.7.0" in error.reason


def test_a_relay_that_is_out_of_order_at_the_log_in_is_tried_again_soon() -> None:
    answers: dict[str, Answer] = {"EHLO": "250-hello\n250 AUTH PLAIN", "AUTH": "454 4.7.0 Temporary failure"}
    error, _ = failure(answers, **WITH_LOGIN)

    assert isinstance(error, Pause)
    assert error.delay == 10


@pytest.mark.parametrize(
    ("answers", "settings", "sentence"),
    [
        ({}, {"use_tls": True}, "STARTTLS extension not supported by server"),
        ({"EHLO": "250-hello\n250 STARTTLS", "STAR": "502 5.5.1 not here"}, {"use_tls": True}, "502 5.5.1 not here"),
        ({}, WITH_LOGIN, "SMTP AUTH extension not supported by server"),
        ({"EHLO": "250-hello\n250 AUTH GSSAPI"}, WITH_LOGIN, "No suitable authentication method"),
        ({"CONNECT": "220 plain text, no TLS"}, {"use_ssl": True}, "(?i)wrong.version.number|record layer"),
    ],
)
def test_a_server_that_can_not_do_what_the_settings_ask_for_gets_nothing(
    answers: dict[str, Answer], settings: dict[str, Any], sentence: str
) -> None:
    error, relay = failure(answers, **settings)

    assert isinstance(error, Pause)
    assert re.search(sentence, error.reason)
    assert "Check port, use_tls" in error.reason
    assert not {"AUTH", "MAIL"} & set(relay.verbs())


def test_a_server_that_has_no_tls_just_now_is_asked_again_soon() -> None:
    answers: dict[str, Answer] = {"EHLO": "250-hello\n250 STARTTLS", "STAR": "454 4.7.0 TLS not available"}
    error, _ = failure(answers, use_tls=True)

    assert isinstance(error, Pause)
    assert error.delay == 10
