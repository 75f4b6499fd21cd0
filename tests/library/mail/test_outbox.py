"""The connection that stays open from mail to mail. Over real SMTP."""

from __future__ import annotations

import pytest

from runner import Pause, Reject, Retry
from runner.library.mail import outbox
from tests.library.mail.mails import kept, mail, mailer, message_id
from tests.library.mail.relays import HANG_UP, SILENCE, Answer, ScriptedRelay
from tests.waiting import wait_until


def test_many_mails_go_over_one_connection() -> None:
    with ScriptedRelay() as relay:
        with mailer(relay) as mails:
            for _ in range(5):
                mails.send(mail())

        assert (len(relay.mails), relay.connections) == (5, 1)
        wait_until(lambda: relay.verbs()[-1] == "QUIT")  # whose answer is not waited for long


def test_a_connection_that_has_died_between_two_mails_is_opened_anew_without_a_retry() -> None:
    with ScriptedRelay() as relay, mailer(relay) as mails:
        mails.send(mail())
        relay.hang_up()
        mails.send(mail("second"))

        assert [message_id(mail) for mail in relay.mails] == ["<first@example.com>", "<second@example.com>"]
        assert relay.connections == 2


@pytest.mark.parametrize("goodbye", ["421 4.4.2 idle for too long", SILENCE, HANG_UP])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_a_kept_connection_that_says_goodbye_costs_no_retry(verb: str, goodbye: str) -> None:
    answers: dict[str, Answer] = {verb: lambda times: goodbye if times == 2 else "250 ok"}
    with ScriptedRelay(answers) as relay, mailer(relay) as mails:
        mails.send(mail())
        kept(mails).timeout = 0.3  # for the second mail, where it is silent
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
