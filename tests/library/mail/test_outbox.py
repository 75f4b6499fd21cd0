"""How mail servers answer, fail and lie; and what becomes of the mail. Over real SMTP."""

from __future__ import annotations

import logging
import re
import socket
from email import message_from_bytes
from typing import Any

import pytest

from runner import Pause, Reject, Retry
from runner.library.mail import Mail, Mailer, outbox
from tests.certificates import Certificate
from tests.library.mail.relays import HANG_UP, SILENCE, Answer, Relay, ScriptedRelay

LOGIN = ("shop", "opensesame")
WITH_LOGIN = {"username": LOGIN[0], "password": LOGIN[1]}


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


# -- What an answer to a mail means ---------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("MAIL", "421 4.3.0 closing"),
        ("MAIL", "451 4.3.0 try again"),
        ("MAIL", "452 4.3.1 no room"),
        ("RCPT", "421 4.7.0 try again later"),
        ("RCPT", "450 4.2.0 greylisted"),
        ("RCPT", "451 4.3.0 local error"),
        ("RCPT", "452 4.2.2 mailbox full"),
        ("RCPT", "554 5.7.1 <a@example.com>: Relay access denied"),
        ("RCPT", "550 5.7.1 Unable to relay"),
        ("DATA", "451 4.3.0 local error"),
        ("DATA", "421 4.3.0 closing"),
        (".", "421 4.3.0 closing"),
        (".", "450 4.2.1 too fast"),
        (".", "451 4.3.0 local error"),
        (".", "nonsense"),
    ],
)
def test_a_fault_that_passes_is_tried_again_after_the_usual_wait(verb: str, answer: str) -> None:
    error, _ = failure({verb: answer})

    assert isinstance(error, Retry)
    assert error.delay is None


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("RCPT", "550 5.1.1 no such user"),
        ("RCPT", "550-5.1.1 The account does not exist.\n550 5.1.1 Check the address."),
        ("RCPT", "552 5.2.2 mailbox full"),
        ("RCPT", "553 5.1.3 bad address"),
        ("RCPT", "550 5.1.1 <5.4.5@example.com> is unknown"),
        ("MAIL", "552 5.3.4 too large"),
        ("DATA", "554 5.5.1 no valid recipients"),
        (".", "550 5.7.1 looks like spam"),
        (".", "552 5.3.4 too large"),
        (".", "554 5.6.0 refused"),
    ],
)
def test_a_mail_that_is_refused_for_good_is_bounced(verb: str, answer: str) -> None:
    error, _ = failure({verb: answer})

    assert isinstance(error, Reject)
    assert error.reason.startswith(f"bounced: {answer[:3]} ")
    assert error.reason.isprintable()


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "."])
def test_gmails_daily_limit_is_waited_for_though_it_is_a_5xx(verb: str) -> None:
    answer = (
        "550-5.4.5 Daily user sending limit exceeded. For more information go to\n550 5.4.5 https://support.google.com"
    )
    error, _ = failure({verb: answer})

    assert isinstance(error, Retry)
    assert error.delay == 6 * 3600


def test_gmails_too_many_logins_is_waited_for() -> None:
    error, _ = failure({"MAIL": "454 4.7.0 Too many login attempts, please try again later."})

    assert isinstance(error, Retry)
    assert error.delay == 15 * 60


@pytest.mark.parametrize(
    ("verb", "answer", "hint"),
    [
        ("MAIL", "530 5.7.0 Authentication Required", "Set username and password"),
        ("MAIL", "530 5.7.0 Must issue a STARTTLS command first", "use_tls"),
        ("RCPT", "530 5.7.0 Authentication Required", "Set username and password"),
        ("MAIL", "550 5.7.1 not your address", "Set default_sender"),
        ("MAIL", "553 5.7.1 sender address rejected", "Set default_sender"),
    ],
)
def test_what_the_settings_are_to_blame_for_pauses_the_stage(verb: str, answer: str, hint: str) -> None:
    error, _ = failure({verb: answer})

    assert isinstance(error, Pause)
    assert answer in error.reason
    assert hint in error.reason


@pytest.mark.parametrize(
    ("answers", "delay", "sentence"),
    [
        ({"CONNECT": "421 4.3.2 too busy"}, 10, "is not ready: 421 4.3.2 too busy"),
        ({"CONNECT": "554 5.7.1 your address is blocked"}, 60, "554 5.7.1 your address is blocked"),
        ({"CONNECT": HANG_UP}, 10, "broke off before a mail was begun"),
        ({"CONNECT": SILENCE}, 10, "broke off before a mail was begun: Connection unexpectedly closed: timed out"),
        ({"CONNECT": "HTTP/1.1 400 Bad Request"}, 10, "is not ready"),
        ({"EHLO": HANG_UP}, 10, "broke off before a mail was begun"),
        ({"EHLO": "550 who are you", "HELO": "550 who are you"}, 60, "550 who are you"),
    ],
)
def test_a_server_that_does_not_get_as_far_as_a_mail_pauses_the_stage(
    answers: dict[str, Answer], delay: float, sentence: str
) -> None:
    error, _ = failure(answers, timeout=0.3)

    assert isinstance(error, Pause)
    assert error.delay == delay
    assert sentence in error.reason


def test_a_server_that_is_away_pauses_the_stage_for_a_moment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    mails = Mailer(server="127.0.0.1", port=port, default_sender="shop@example.com")

    with pytest.raises(Pause, match=f"mail server 127.0.0.1:{port} can't be reached") as raised:
        mails.send(mail())
    assert raised.value.delay == 10


def test_a_server_whose_name_means_nothing_pauses_the_stage() -> None:
    mails = Mailer(server="nowhere..invalid", port=25, default_sender="shop@example.com")

    with pytest.raises(Pause, match="can't be reached"):
        mails.send(mail())


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize("how", [HANG_UP, SILENCE])
def test_a_server_that_breaks_off_before_the_mail_is_tried_again(verb: str, how: str) -> None:
    error, relay = failure({verb: how}, timeout=0.3)

    assert isinstance(error, Retry)
    assert "went away before the mail was sent" in error.reason
    assert not relay.mails


@pytest.mark.parametrize("how", [HANG_UP, SILENCE])
def test_where_the_answer_to_a_mail_is_lost_it_goes_again_with_the_same_message_id(how: str) -> None:
    answers: dict[str, Answer] = {".": lambda times: how if times == 1 else "250 taken"}
    with ScriptedRelay(answers) as relay, mailer(relay, timeout=0.3) as mails:
        with pytest.raises(Retry, match="may have been sent"):
            mails.send(mail())
        mails.send(mail())

    first, again = relay.mails
    assert _message_id(first) == _message_id(again) == "<first@example.com>"


def _message_id(mail: bytes) -> str:
    return str(message_from_bytes(mail)["Message-ID"])


# -- The kept connection -----------------------------------------------------------------------


def test_many_mails_go_over_one_connection() -> None:
    with ScriptedRelay() as relay:
        with mailer(relay) as mails:
            for _ in range(5):
                mails.send(mail())

        assert (len(relay.mails), relay.connections) == (5, 1)
        assert relay.verbs()[-1] == "QUIT"


@pytest.mark.parametrize("settings", [{}, {"timeout": 0.3}])
def test_a_connection_that_has_died_between_two_mails_is_opened_anew_without_a_retry(settings: dict[str, Any]) -> None:
    with ScriptedRelay() as relay, mailer(relay, **settings) as mails:
        mails.send(mail())
        relay.hang_up()
        mails.send(mail("second"))

        assert [_message_id(mail) for mail in relay.mails] == ["<first@example.com>", "<second@example.com>"]
        assert relay.connections == 2


@pytest.mark.parametrize("goodbye", ["421 4.4.2 idle for too long", SILENCE, HANG_UP])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_a_kept_connection_that_says_goodbye_costs_no_retry(verb: str, goodbye: str) -> None:
    answers: dict[str, Answer] = {verb: lambda times: goodbye if times == 2 else "250 ok"}
    with ScriptedRelay(answers) as relay, mailer(relay, timeout=0.3) as mails:
        mails.send(mail())
        mails.send(mail("second"))

        assert (len(relay.mails), relay.connections) == (2, 2)


def test_a_kept_connection_that_breaks_off_after_the_mail_is_not_given_the_mail_a_second_time() -> None:
    answers: dict[str, Answer] = {".": lambda times: HANG_UP if times == 2 else "250 ok"}
    with ScriptedRelay(answers) as relay, mailer(relay) as mails:
        mails.send(mail())
        with pytest.raises(Retry, match="may have been sent"):
            mails.send(mail("second"))

        assert (len(relay.mails), relay.connections) == (2, 1)


def test_a_connection_that_was_idle_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedRelay() as relay, mailer(relay) as mails:
        mails.send(mail())
        monkeypatch.setattr(outbox, "_IDLE", -1.0)
        mails.send(mail("second"))

        assert (len(relay.mails), relay.connections) == (2, 2)


def test_a_bounce_spoils_neither_the_connection_nor_the_next_mail() -> None:
    answers: dict[str, Answer] = {"RCPT": lambda times: "550 5.1.1 no such user" if times == 1 else "250 ok"}
    with ScriptedRelay(answers) as relay, mailer(relay) as mails:
        with pytest.raises(Reject):
            mails.send(mail())
        mails.send(mail("second"))

        assert (len(relay.mails), relay.connections) == (1, 1)


@pytest.mark.parametrize(("verb", "answer"), [("MAIL", "451 no"), ("DATA", "451 no"), (".", "554 no"), (".", "451 no")])
def test_after_any_other_failure_the_next_mail_goes_over_a_new_connection(verb: str, answer: str) -> None:
    answers: dict[str, Answer] = {
        verb: lambda times: answer if times == 1 else {"DATA": "354 go ahead"}.get(verb, "250 ok")
    }
    with ScriptedRelay(answers) as relay, mailer(relay) as mails:
        with pytest.raises((Retry, Reject)):
            mails.send(mail())
        mails.send(mail("second"))

        assert relay.connections == 2


def test_leaving_does_not_wait_for_a_server_that_is_silent() -> None:
    with ScriptedRelay({"QUIT": SILENCE}) as relay, mailer(relay, timeout=60.0) as mails:
        mails.send(mail())


def test_each_mail_has_one_recipient() -> None:
    with ScriptedRelay() as relay, mailer(relay) as mails:
        mails.send(mail())
        mails.send(mail(to="another@example.com"))

        commands = [line.lower() for line in relay.said]  # which smtplib writes in upper or in lower case
        recipients = [command for command in commands if command.startswith("rcpt")]
        assert recipients == ["rcpt to:<test-user@example.com>", "rcpt to:<another@example.com>"]


# -- TLS and log-in ------------------------------------------------------------------------------


@pytest.mark.parametrize("first_byte", [False, True])
def test_a_certificate_that_nobody_vouches_for_is_refused_before_a_password_is_shown(
    certificate: Certificate, first_byte: bool
) -> None:
    tls = certificate.server_context()
    with (
        Relay(tls=tls, from_the_first_byte=first_byte, login=LOGIN) as relay,
        mailer(relay, use_tls=not first_byte, use_ssl=first_byte, **WITH_LOGIN) as mails,
    ):
        with pytest.raises(
            Pause, match=r"certificate is not to be trusted: self-signed certificate.*ca_file"
        ) as raised:
            mails.send(mail())

        assert (relay.logins, relay.mails) == ([], [])
        assert "opensesame" not in repr(raised.value) + repr(raised.value.__cause__)


def test_a_certificate_of_another_server_is_refused(certificate: Certificate) -> None:
    with (
        Relay(tls=certificate.server_context(), login=LOGIN) as relay,
        mailer(relay, use_tls=True, ca_file=certificate.file, **WITH_LOGIN) as mails,
    ):
        with pytest.raises(Pause, match=r"certificate is not to be trusted: .*IP address mismatch"):
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


def test_a_mail_goes_as_soon_as_the_server_lets_it_after_a_pause() -> None:
    answers: dict[str, Answer] = {"CONNECT": lambda times: "421 busy" if times == 1 else "220 ready"}
    with ScriptedRelay(answers) as relay, mailer(relay) as mails:
        with pytest.raises(Pause):
            mails.send(mail())
        mails.send(mail())

        assert len(relay.mails) == 1


def test_flasks_debug_mode_prints_no_mail(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    with ScriptedRelay() as relay, mailer(relay) as mails:
        mails.send(mail())

    assert capfd.readouterr() == ("", "")
