"""Servers that never finish, and what they cost: so many seconds, so many bytes. Over real SMTP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from runner import Pause, Reject, Retry
from runner.library.mail.conversation import Conversation
from tests.library.mail.mails import failure, hurried, hurried_at_the_end, kept, mail, mailer
from tests.library.mail.relays import HANG_UP, SILENCE, Answer, Endless, ScriptedRelay

LINES = Endless(b"250-" + b"x" * 76 + b"\r\n")
ONE_LINE = Endless(b"x" * 80, first=b"250 ")
DRIPPING = Endless(b"x", first=b"250-", wait=0.01)
WITH_LOGIN = {"username": "shop", "password": "opensesame"}
EHLO_LOGIN = "250-hello\n250 AUTH PLAIN LOGIN CRAM-MD5"


@pytest.mark.parametrize(
    ("answers", "settings"),
    [
        ({"CONNECT": Endless(b"220-hello\r\n")}, {}),
        ({"CONNECT": Endless(b"x")}, {}),
        ({"EHLO": LINES}, {}),
        ({"EHLO": ONE_LINE}, {}),
        ({"EHLO": "250-hello\n250 STARTTLS", "STAR": Endless(b"220-go\r\n")}, {"use_tls": True}),
        ({"EHLO": EHLO_LOGIN, "AUTH": Endless(b"334-\r\n")}, WITH_LOGIN),
    ],
)
def test_a_server_that_answers_without_an_end_is_left_before_it_has_filled_the_memory(
    answers: dict[str, Answer], settings: dict[str, Any]
) -> None:
    error, relay = failure(answers, **settings)

    assert isinstance(error, Pause)
    assert "is longer than" in error.reason or "are longer than" in error.reason
    assert relay.sent < 16 * 1024 * 1024  # what the sockets hold comes on top


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("answer", [Endless(b"450-x\r\n"), Endless(b"x", first=b"550 "), Endless(b"\xff\x00\r\r")])
def test_an_answer_without_an_end_to_a_mail_is_tried_again(verb: str, answer: Endless) -> None:
    error, _ = failure({verb: answer})

    assert isinstance(error, Retry)
    assert error.reason.isprintable()
    assert len(error.reason) < 500


@pytest.mark.parametrize(
    ("answers", "settings"),
    [
        ({"CONNECT": Endless(b"2", wait=0.01)}, {}),
        ({"EHLO": DRIPPING}, {}),
        (
            {"EHLO": "250-hello\n250 STARTTLS", "STAR": Endless(b"\x16", first=b"220 go\r\n", wait=0.01)},
            {"use_tls": True},
        ),
        ({"CONNECT": Endless(b"\x16", wait=0.01)}, {"use_ssl": True}),
        ({"EHLO": EHLO_LOGIN, "AUTH": Endless(b"3", wait=0.01)}, WITH_LOGIN),
    ],
)
def test_a_server_that_sends_a_byte_now_and_then_before_a_mail_pauses_the_stage(
    answers: dict[str, Answer], settings: dict[str, Any]
) -> None:
    error, _ = failure(answers, **settings, timeout=0.3)

    assert isinstance(error, Pause)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_sends_a_byte_now_and_then_to_a_mail_has_it_tried_again(verb: str) -> None:
    with hurried():
        error, _ = failure({verb: DRIPPING})

    assert isinstance(error, Retry)
    assert "went away before the mail was sent" in error.reason


def test_the_end_of_a_mail_has_a_limit_too() -> None:
    with hurried_at_the_end():
        error, _ = failure({".": Endless(b"x", wait=0.01)})

    assert isinstance(error, Retry)
    assert "may have been sent" in error.reason


def test_a_server_may_take_ten_minutes_for_a_mail_that_it_has_whole() -> None:
    """The client waits for longer than its own limit allows."""
    waits: list[float | None] = []
    with ScriptedRelay() as relay, mailer(relay, timeout=60.0) as mails:

        def scan(times: int) -> str:
            sock = kept(mails).sock
            assert sock is not None
            waits.append(sock.gettimeout())
            return "250 2.0.0 no virus"

        relay.answers["."] = scan
        mails.send(mail())

    assert waits == [pytest.approx(600, abs=60)]


@pytest.mark.parametrize("preliminary", [b"150 scanning\r\n", b"100-scanning\r\n199 queueing\r\n", b"111\r\n"])
def test_a_1xx_is_no_answer_yet_so_the_mail_goes_once(preliminary: bytes) -> None:
    taken = dict.fromkeys(("EHLO", "MAIL", "RCPT", "."), preliminary + b"250 2.0.0 ok\r\n")
    with ScriptedRelay({**taken, "DATA": preliminary + b"354 go ahead\r\n"}) as relay, mailer(relay) as mails:
        for name in ("first", "second"):
            assert mails.send(mail(name))["answer"] == "250 2.0.0 ok"

        assert (len(relay.mails), relay.connections) == (2, 1)


def test_a_1xx_does_not_hide_that_a_mail_is_refused() -> None:
    assert isinstance(failure({".": b"150 scanning\r\n554 5.7.1 a virus\r\n"})[0], Reject)


@pytest.mark.parametrize(
    ("verb", "hurry", "reason"),
    [
        *((verb, hurried, "went away before the mail was sent") for verb in ("MAIL", "RCPT", "DATA")),
        (".", hurried_at_the_end, "may have been sent"),
    ],
)
@pytest.mark.parametrize("answer", ["150 wait", Endless(b"150 wait\r\n"), Endless(b"150-wait\r\n")])
def test_a_server_that_says_1xx_and_no_more_is_left(
    verb: str, hurry: Callable[[], AbstractContextManager[None]], reason: str, answer: Answer
) -> None:
    with hurry():
        error, _ = failure({verb: answer})

    assert isinstance(error, Retry)
    assert reason in error.reason


def test_all_of_a_mails_answers_together_have_one_limit() -> None:
    """Each comes soon enough by itself."""
    with ScriptedRelay() as relay, mailer(relay) as mails, hurried(0.6):

        def slow(times: int) -> str:
            relay.wait(0.4)
            return "250 ok"

        relay.answers |= {"MAIL": slow, "RCPT": slow}
        with pytest.raises(Retry, match="timed out"):
            mails.send(mail())


@pytest.mark.parametrize(
    "answer",
    [
        b"250",
        b"250 2.0.0 ta",
        b"250-2.0.0 taken\r\n",
        b"250-2.0.0 taken\r\n250",
    ],
)
def test_a_yes_to_a_mail_that_is_cut_is_a_yes(answer: bytes) -> None:
    with ScriptedRelay({".": lambda times: answer if times == 1 else "250 ok"}) as relay, mailer(relay) as mails:
        relay.cut_after(answer)
        mails.send(mail())
        mails.send(mail("second"))

        assert (len(relay.mails), relay.connections) == (2, 2)


@pytest.mark.parametrize("answer", [LINES, ONE_LINE, b"250 " + b"x" * 9000 + b"\r\n"])
def test_a_yes_to_a_mail_that_is_too_long_is_a_yes(answer: Endless | bytes) -> None:
    with ScriptedRelay({".": answer}) as relay, mailer(relay) as mails:
        mails.send(mail())

        assert len(relay.mails) == 1


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_a_line_that_is_too_long_is_no_bounce(verb: str) -> None:
    error, _ = failure({verb: b"550 5.1.1 " + b"x" * 9000 + b"\r\n"})

    assert isinstance(error, Retry)
    assert "longer than 8192 bytes" in error.reason


@pytest.mark.parametrize("cut", [b"", b"5", b"55", b"550", b"550 5.1.1 no such us", b"550-5.1.1 no\r\n"])
def test_a_bounce_that_is_cut_is_none(cut: bytes) -> None:
    with ScriptedRelay({"RCPT": cut}) as relay, mailer(relay) as mails:
        relay.cut_after(cut)
        with pytest.raises(Retry, match="went away before the mail was sent"):
            mails.send(mail())


_CODES = st.sampled_from(["220", "221", "235", "250", "251", "299", "334", "354", "421", "450", "451", "500", "530"])
_MORE_CODES = st.sampled_from(
    ["535", "550", "552", "554", "000", "100", "600", "999", "25", "2500", "", "-1", "\u0662\u0665"]
)
_TEXT = st.binary(max_size=40) | st.sampled_from([b" 5.1.1 x", b"-", b"- 8BITMIME", b" AUTH PLAIN LOGIN", b"-SIZE x"])
_ANSWER = st.builds(
    lambda code, text, end: code.encode() + text + end,
    _CODES | _MORE_CODES,
    _TEXT,
    st.sampled_from([b"\r\n", b"\n", b"\r", b"", b"\r\n250 ok\r\n", b"\r\n" * 300, b"x" * 9000 + b"\r\n"]),
)
_VERBS = ("CONNECT", "EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", ".", "RSET", "QUIT")


@hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    answers=st.dictionaries(st.sampled_from(_VERBS), _ANSWER | st.binary(max_size=60), max_size=3),
    cut=st.booleans(),
    login=st.booleans(),
)
@example(answers={"EHLO": b"250-x\r\n250 AUTH CRAM-MD5\r\n", "AUTH": b"334 \xff=\r\n"}, cut=False, login=True)
@example(answers={"EHLO": b"250 SIZE \xff\r\n"}, cut=False, login=False)
def test_whatever_a_server_says_a_mail_is_sent_tried_again_bounced_or_waits(
    answers: dict[str, bytes], cut: bool, login: bool
) -> None:
    scripted: dict[str, Answer] = {"EHLO": EHLO_LOGIN, "AUTH": "235 welcome", **answers}
    with ScriptedRelay(scripted) as relay, mailer(relay, timeout=0.1, **(WITH_LOGIN if login else {})) as mails:
        if cut:
            relay.cut_after(*answers.values())
        for name in ("first", "second"):
            with hurried_at_the_end():
                reason = order_to(partial(mails.send, mail(name)))
            assert reason.isprintable()
            assert len(reason) < 600


def order_to(send: Callable[[], object]) -> str:
    """The reason that it gives, and no other failure; empty where the mail was sent."""
    try:
        send()
    except (Retry, Reject, Pause) as order:
        return order.reason
    return ""


@pytest.mark.parametrize("last", [HANG_UP, SILENCE, "451 no", Endless(b"250-x\r\n")])
def test_an_address_that_was_refused_stays_so_however_the_server_goes_on(
    last: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rset = Conversation.rset

    def hurried_rset(self: Conversation) -> tuple[int, bytes]:
        self.limit(0.3)
        return rset(self)

    monkeypatch.setattr(Conversation, "rset", hurried_rset)
    error, _ = failure({"RCPT": "550 5.1.1 no such user", "RSET": last})

    assert isinstance(error, Reject)
    assert error.reason == "bounced: 550 5.1.1 no such user"


def test_what_a_server_said_before_it_had_the_mail_is_no_answer_to_it() -> None:
    early: dict[str, Answer] = {"DATA": b"354 go ahead\r\n250 2.0.0 taken\r\n", ".": "550 5.1.1 no such user"}
    assert isinstance(failure(early)[0], Reject)


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT"])
def test_a_server_that_answers_twice_is_understood(verb: str) -> None:
    with ScriptedRelay({verb: b"250 ok\r\n250 ok\r\n"}) as relay, mailer(relay) as mails:
        mails.send(mail())
        mails.send(mail("second"))

        assert (len(relay.mails), relay.connections) == (2, 1)
