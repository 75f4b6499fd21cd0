"""What a relay's answer means for a mail and for the stage: try again, give up, or pause.

Only decides; whoever talks to the relay acts on it.
"""

from __future__ import annotations

import re
import smtplib
import ssl

from runner import Pause, Reject, Retry
from runner.library.mail.relay import Relay

_TRY_AGAIN = 10.0
_OUT_OF_ORDER = 60.0
_TOO_MANY_LOGINS = 15 * 60.0
_DAILY_LIMIT = 6 * 3600.0
"""Gmail's is over a rolling day: with the usual five attempts, the last comes a day later."""


def cannot_connect(error: Exception, relay: Relay) -> Pause:
    """The stage can't work, and no mail is to blame: none was even named to the relay."""
    code, answer = _answer(error)
    match error:
        case ssl.SSLCertVerificationError():
            reason = f"its certificate is not to be trusted: {error.verify_message}. Nothing was sent. "
            return Pause(f"{relay}: {reason}Correct server, or name its authority by ca_file.", delay=_OUT_OF_ORDER)
        case smtplib.SMTPAuthenticationError() if code >= 500:
            hint = "Correct username and password (Gmail wants an app password)."
            return Pause(f"{relay} refuses the log-in: {answer}. {hint}", delay=_OUT_OF_ORDER)
        case smtplib.SMTPAuthenticationError() if "too many" in answer.lower():
            return Pause(f"{relay} wants fewer log-ins: {answer}", delay=_TOO_MANY_LOGINS)
        case smtplib.SMTPServerDisconnected() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Pause(f"{relay} broke off before a mail was begun: {error}", delay=_TRY_AGAIN)
        case smtplib.SMTPResponseException() if code < 500:
            return Pause(f"{relay} is not ready: {answer}", delay=_TRY_AGAIN)
        case ssl.SSLError() | smtplib.SMTPException():
            hint = "Check port, use_tls (STARTTLS, port 587), use_ssl (TLS at once, port 465) and username."
            return Pause(f"{relay}: {answer} {hint}", delay=_OUT_OF_ORDER)
        case _:
            return Pause(f"{relay} can't be reached: {answer}", delay=_TRY_AGAIN)


def cannot_send(error: Exception, relay: Relay, *, data_begun: bool) -> Retry | Reject | Pause:
    """What the failure of one mail means.

    Only what doesn't depend on the mail may pause the stage; otherwise one odd address
    could hold up all the others.
    """
    code, answer = _answer(error)
    if not isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused) or code < 0:
        return Retry(_lost(error, relay, data_begun))
    if answer.startswith(f"{code} 5.4.5 "):  # Gmail's daily limit: a 5xx, and yet temporary
        return Retry(f"{relay} takes no more mails today: {answer}", delay=_DAILY_LIMIT)
    if answer.startswith("454 4.7.0 "):
        return Retry(f"{relay} wants fewer log-ins: {answer}", delay=_TOO_MANY_LOGINS)
    if code in _NOT_LOGGED_IN:
        return Pause(f"{relay} wants a log-in or TLS: {answer}. Set username and password, and use_tls.")
    if code < 500:
        return Retry(f"{relay}: {answer}")
    if isinstance(error, smtplib.SMTPSenderRefused) and code != _TOO_LARGE:
        return Pause(f"{relay} refuses the sender: {answer}. Set default_sender to an address it may send for.")
    if _NO_RELAY.search(answer):  # the relay's rules or ours are wrong, perhaps only for some addresses
        return Retry(f"{relay} doesn't pass mail on for us: {answer}. Set username and password.")
    return Reject(f"bounced: {answer}")


_NO_RELAY = re.compile(r"\brelay(ing)?\b.*\b(denied|not (permitted|allowed)|prohibited)|unable to relay", re.IGNORECASE)
_NOT_LOGGED_IN = (530, 534, 535, 538)
_TOO_LARGE = 552


def _lost(error: Exception, relay: Relay, data_begun: bool) -> str:
    if data_begun:
        return f"{relay} gave no answer to a mail, which may have been sent ({error}); again, with the same Message-ID"
    return f"{relay} went away before the mail was sent: {error}"


def is_goodbye(error: Exception) -> bool:
    """Whether the connection is over: cut, silent, or closed by the relay's 421."""
    if isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused):
        return _answer(error)[0] == 421
    return True


def _answer(error: Exception) -> tuple[int, str]:
    """The code (0: none) and the text of an SMTP answer, on one line."""
    text: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, text = error.smtp_code, error.smtp_error
    else:
        return 0, str(error)
    words = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return code, re.sub(r"[^ -~]+", " ", f"{code} {words}").strip()[:300]
