"""How mail servers answer, fail and lie; and what becomes of the mail. Over real SMTP."""

from __future__ import annotations

import socket

import pytest

from runner import Pause, Reject, Retry
from runner.library.mail import Mailer
from tests.library.mail.mails import failure, hurried, hurried_at_the_end, mail, mailer, message_id
from tests.library.mail.relays import HANG_UP, SILENCE, Answer, ScriptedRelay


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
        ("MAIL", "530 5.7.0 Authentication Required", "Check username and password"),
        ("MAIL", "530 5.7.0 Must issue a STARTTLS command first", "use_tls"),
        ("RCPT", "530 5.7.1 Client was not authenticated", "Check username and password"),
        ("RCPT", "534 5.7.9 mechanism too weak", "Check username and password"),
        ("RCPT", "535 5.7.8 bad credentials", "Check username and password"),
        (".", "538 5.7.11 encryption needed", "Check username and password"),
        (".", "530 5.7.0 Authentication Required", "Check username and password"),
        ("RCPT", "550 5.7.1 relaying denied", "Check username and password"),
        ("RCPT", "550 Unauthenticated senders not allowed", "Check username and password"),
        (".", "550 not permitted to relay through this server without authentication", "Check username and password"),
        (".", "550 5.7.60 Client does not have permissions to send as this sender", "Check username and password"),
        ("RCPT", "550 5.7.3 STARTTLS is required", "use_tls"),
        ("MAIL", "550 5.7.1 not your address", "Set default_sender"),
        ("MAIL", "553 5.7.1 sender address rejected", "Set default_sender"),
    ],
)
def test_what_the_settings_may_be_to_blame_for_is_tried_again_and_holds_up_nobody(
    verb: str, answer: str, hint: str
) -> None:
    error, _ = failure({verb: answer})

    assert isinstance(error, Retry)
    assert answer in error.reason
    assert hint in error.reason


@pytest.mark.parametrize("verb", ["RCPT", "DATA", "."])
@pytest.mark.parametrize(
    "answer",
    [
        "500 5.5.2 unrecognized command",
        "502 5.5.1 command not implemented",
        "503 5.5.1 bad sequence of commands",
        "504 5.5.4 parameter not implemented",
        "521 5.3.2 this host takes no mail",
        "554 5.7.1 client host blocked",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example.org",
        "554 5.7.1 <a.example[192.0.2.1]>: Client host rejected: Access denied",
        "550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
        "550 5.7.26 This mail has been blocked because the sender is unauthenticated",
        "550 5.7.1 your network is on our block list",
        "550 5.3.2 system not accepting messages",
        "554 5.3.0 local error",
        "554 5.7.1 too many messages",
        "550 5.7.1 Daily SMTP relay limit exceeded",
        "550 5.7.1 sending limit for this account was reached",
        "550 5.7.1 message temporarily deferred",
        "554 Message rejected: Email address is not verified",
    ],
)
def test_what_is_the_relays_own_matter_bounces_no_mail(verb: str, answer: str) -> None:
    error, _ = failure({verb: answer})

    assert isinstance(error, Retry)
    assert answer in error.reason


@pytest.mark.parametrize(
    "answer",
    [
        "550 5.1.1 <blacklist@example.com> your server",
        "550 5.2.1 temporarily disabled, try again?",
        "552 5.2.2 daily limit",
    ],
)
def test_an_address_that_is_wrong_bounces_whatever_else_is_said(answer: str) -> None:
    error, _ = failure({"RCPT": answer})

    assert isinstance(error, Reject)


@pytest.mark.parametrize("repeated", ["4242424242424242", "4242 4242 4242 4242", "buyer@example.com"])
def test_what_an_answer_repeats_is_not_cut_in_two(repeated: str) -> None:
    for place in range(270, 300):
        error, _ = failure({"RCPT": f"550 5.1.1 {'x' * (place - 10)} {repeated}"})

        assert isinstance(error, Reject)
        assert error.reason.rstrip(" •").endswith(("xxx", "4242", repeated))
        assert repeated[:5] not in error.reason.replace("buyer@example.com", "")


@pytest.mark.parametrize("answer", ["099 x", "600 x", "999 x", "25", "2 50", "+25 x", "\u0662\u0665\u0660 x", " 250 x"])
def test_what_is_no_answer_is_no_bounce(answer: str) -> None:
    for verb in ("MAIL", "RCPT", "DATA", "."):
        error, _ = failure({verb: answer})
        assert isinstance(error, Retry)


@pytest.mark.parametrize("answer", ["251 2.1.5 will forward", "252 2.0.0 will try", "299 yes", "200 yes", "250"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "."])
def test_every_answer_from_200_to_299_is_a_yes(verb: str, answer: str) -> None:
    with ScriptedRelay({verb: answer}) as relay, mailer(relay) as mails:
        mails.send(mail())
        mails.send(mail("second"))

        assert (len(relay.mails), relay.connections) == (2, 1)


@pytest.mark.parametrize(
    ("answers", "delay", "sentence"),
    [
        ({"CONNECT": "421 4.3.2 too busy"}, 10, "is not ready: 421 4.3.2 too busy"),
        ({"CONNECT": "554 5.7.1 your address is blocked"}, 60, "554 5.7.1 your address is blocked"),
        ({"CONNECT": HANG_UP}, 10, "broke off before a mail was begun"),
        ({"CONNECT": "HTTP/1.1 400 Bad Request"}, 10, "is not ready"),
        ({"EHLO": HANG_UP}, 10, "broke off before a mail was begun"),
        ({"EHLO": "550 who are you", "HELO": "550 who are you"}, 60, "550 who are you"),
    ],
)
def test_a_server_that_does_not_get_as_far_as_a_mail_pauses_the_stage(
    answers: dict[str, Answer], delay: float, sentence: str
) -> None:
    error, _ = failure(answers)

    assert isinstance(error, Pause)
    assert error.delay == delay
    assert sentence in error.reason


def test_a_server_that_says_nothing_pauses_the_stage_for_a_moment() -> None:
    error, _ = failure({"CONNECT": SILENCE}, timeout=0.3)

    assert isinstance(error, Pause)
    assert error.delay == 10
    assert "broke off before a mail was begun: Connection unexpectedly closed: timed out" in error.reason


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
    with hurried():
        error, relay = failure({verb: how})

    assert isinstance(error, Retry)
    assert "went away before the mail was sent" in error.reason
    assert not relay.mails


@pytest.mark.parametrize("how", [HANG_UP, SILENCE])
def test_where_the_answer_to_a_mail_is_lost_it_goes_again_with_the_same_message_id(how: str) -> None:
    answers: dict[str, Answer] = {".": lambda times: how if times == 1 else "250 taken"}
    with ScriptedRelay(answers) as relay, mailer(relay) as mails:
        with hurried_at_the_end(), pytest.raises(Retry, match="may have been sent"):
            mails.send(mail())
        mails.send(mail())

    first, again = relay.mails
    assert message_id(first) == message_id(again) == "<first@example.com>"
