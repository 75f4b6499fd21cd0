"""What a relay's answer means for a mail and for the stage: try again, give up, or pause.

Decides only; the code that talks to the relay acts on it.
"""

from __future__ import annotations

import re
import smtplib
import ssl

from runner import Pause, Reject, Retry, mask_card_numbers
from runner.library.mail.relay import Relay

_TRY_AGAIN = 10.0
_OUT_OF_ORDER = 60.0
_TOO_MANY_LOGINS = 15 * 60.0
_DAILY_LIMIT = 6 * 3600.0
"""Seconds. Gmail counts over a rolling day."""
_LONGEST = 300
"""Characters of an answer."""


def cannot_connect(error: Exception, relay: Relay) -> Pause:
    """The stage can't work, and no mail is to blame: the relay hasn't even heard of one."""
    code, answer = _answer(error)
    match error:
        case ssl.SSLCertVerificationError():
            reason = f"its certificate can't be trusted: {error.verify_message}. Nothing was sent. "
            return Pause(f"{relay}: {reason}Correct server, or name its authority by ca_file.", delay=_OUT_OF_ORDER)
        case smtplib.SMTPAuthenticationError() if code >= 500:
            hint = "Correct username and password (Gmail needs an app password)."
            return Pause(f"{relay} refuses the log-in: {answer}. {hint}", delay=_OUT_OF_ORDER)
        case smtplib.SMTPAuthenticationError() if "too many" in answer.lower():
            return Pause(f"{relay} wants fewer log-ins: {answer}", delay=_TOO_MANY_LOGINS)
        case smtplib.SMTPServerDisconnected() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Pause(f"{relay} broke off before a mail was begun: {answer}", delay=_TRY_AGAIN)
        case smtplib.SMTPResponseException() if code < 500:
            return Pause(f"{relay} is not ready: {answer}", delay=_TRY_AGAIN)
        case ssl.SSLError() | smtplib.SMTPException():
            hint = "Check port, use_tls (STARTTLS, port 587), use_ssl (TLS at once, port 465) and username."
            return Pause(f"{relay}: {answer} {hint}", delay=_OUT_OF_ORDER)
        case _:
            return Pause(f"{relay} can't be reached: {answer}", delay=_TRY_AGAIN)


def cannot_send(error: Exception, relay: Relay, *, data_begun: bool) -> Retry | Reject:
    """What the failure of one mail means: never a pause.

    From MAIL on, an answer may depend on the mail, and one odd address mustn't hold up
    all the others. A mail bounces only if the answer is clearly about its address or its
    content; if it may be about the relay, or about us, the mail is tried again.
    """
    code, answer = _answer(error)
    if not 200 <= code < 600:
        return Retry(_lost(answer, relay, data_begun))
    if answer.startswith(f"{code} 5.4.5 "):  # Gmail's daily limit: a 5xx, and yet temporary
        return Retry(f"{relay} takes no more mails today: {answer}", delay=_DAILY_LIMIT)
    if answer.startswith("454 4.7.0 "):
        return Retry(f"{relay} wants fewer log-ins: {answer}", delay=_TOO_MANY_LOGINS)
    if code < 500:
        return Retry(f"{relay}: {answer}")
    if isinstance(error, smtplib.SMTPSenderRefused) and code not in (*_NOT_LOGGED_IN, _TOO_LARGE):
        return Retry(f"{relay} refuses the sender: {answer}. Set default_sender to an address it may send for.")
    said = re.sub(r"<[^<>]*>|\S+@\S+", "", answer)  # what the address itself says is no sign of it
    if code in _NOT_LOGGED_IN or _OURS.search(said):
        return Retry(f"{relay} doesn't take mail from us: {answer}. Check username and password, and use_tls.")
    if code in _RELAYS or (_BLOCKED.search(said) and not _ADDRESS.match(said)):
        return Retry(f"{relay} takes no mail from us now: {answer}")
    return Reject(f"bounced: {answer}")


_NOT_LOGGED_IN = (530, 534, 535, 538)
_TOO_LARGE = 552
_RELAYS = (500, 502, 503, 504, 521, 555)
"""The relay doesn't understand us, or takes no mail at all (RFC 5321, section 4.2.2; RFC 7504)."""
_ADDRESS = re.compile(r"5\d\d 5\.(1\.(?![78]\b)|2\.)")
"""No such address, or a mailbox that takes no mail (RFC 3463), whatever else the answer says."""
_OURS = re.compile(
    r"^5\d\d 5\.7\.(3|8|9|1[0-4])\b"  # not authenticated, or not well enough (RFC 4954, 5248)
    r"|\brelay(ing)?\b.*\b(denied|not (permitted|allowed)|prohibited)|unable to relay"
    r"|not (permitted|allowed) to relay|authentication required|not (authenticated|logged in)|without authentication"
    r"|unauthenticated sender|\bstarttls\b|\bsend as this sender\b",
    re.IGNORECASE,
)
_BLOCKED = re.compile(
    r"^5\d\d 5\.(1\.[78]|3\.[01235]|7\.(2\d|[5-7]\d\d))\b"  # our domain, our DKIM, SPF or DNS; the relay's system
    r"|\b(client|sending|your) (host|ip|server|network)\b|\b(block|black|deny)[ -]?list|\bblocked using\b"
    r"|\b(service|server|system) (is |currently )*(unavailable|not available|busy)|\b(helo|ehlo|reverse dns)\b"
    r"|\btoo many\b|\brate limit|\b(hourly|daily|monthly|sending|relay)\b.{0,40}\blimit"
    r"|\btry again\b|\btemporar(y|ily)\b|email address is not verified",  # an account of Amazon's that is on trial
    re.IGNORECASE,
)


def _lost(answer: str, relay: Relay, data_begun: bool) -> str:
    if data_begun:
        return f"{relay} gave no answer to a mail, which may have been sent ({answer}); again, with the same Message-ID"
    return f"{relay} went away before the mail was sent: {answer}"


def is_goodbye(error: Exception) -> bool:
    """Whether the connection is over: cut, silent, or closed by the relay's 421."""
    if isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused):
        return _answer(error)[0] == 421
    return True


def _answer(error: Exception) -> tuple[int, str]:
    """The code (0 or -1: none) and the text of an SMTP answer, on one line."""
    text: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, text = error.smtp_code, error.smtp_error
    else:
        return 0, one_line(str(error))
    words = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return code, one_line(f"{code} {words}" if code >= 0 else f"no SMTP: {words}")


def one_line(words: str) -> str:
    """The beginning of what a server says, without what is not printable ASCII. Neither a card number nor a
    word, which may be an address, is cut in two: half of one isn't known as one, and would be shown."""
    line = mask_card_numbers(re.sub(r"[^ -~]+", " ", words)).strip()
    return line if len(line) <= _LONGEST else line[:_LONGEST].rpartition(" ")[0]
