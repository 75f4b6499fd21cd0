"""pika's errors → words for an operator, and whether waiting helps.

Left out: what to do about them.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import pika.exceptions

from runner.errors import text

_CREDENTIALS_OR_VHOST = (403, 530)
"""AMQP's reply codes for access refused and not allowed."""
_PASSING = (" is down", "limit (", "maximum allowed user limit")
"""In the texts of such refusals that pass by themselves: a virtual host that is being started, a
limit of connections."""
_LIMIT = re.compile(r"((?:user )?connection limit \(\d+\)) is reached")
_TOLD = re.compile(r"ConnectionClosedByBroker: \((\d+)\) (['\"])(.*)\2", re.DOTALL)
"""What the broker said when it closed a connection that wasn't open yet, as pika keeps it."""
_REFUSALS = (
    pika.exceptions.ProbableAuthenticationError,
    pika.exceptions.ProbableAccessDeniedError,
    pika.exceptions.AuthenticationError,
    pika.exceptions.IncompatibleProtocolError,
)


def explain(error: BaseException | str) -> str:
    """What pika's error means, in words for an operator; never with credentials."""
    if isinstance(error, pika.exceptions.ConnectionClosed | pika.exceptions.ChannelClosed):
        return f"{error.reply_text} ({error.reply_code})"
    told = _told(error)
    if told is not None and (limit := _LIMIT.search(told[1])):
        return f"it takes no more connections: {limit[1]} is reached; raise it, or run fewer processes"
    if told is not None and not _refuses(*told):
        return f"{told[1]} ({told[0]})"
    if _hung_up(error):
        return "it hung up before the connection was open"
    if isinstance(error, pika.exceptions.ProbableAuthenticationError):
        return "it refuses the user name or the password"
    if isinstance(error, pika.exceptions.ProbableAccessDeniedError):
        return "it refuses access to the virtual host (does it exist, and may the user access it?)"
    if isinstance(error, (pika.exceptions.IncompatibleProtocolError, pika.exceptions.InvalidFrameError)):
        return "it doesn't speak AMQP 0-9-1 (is it the right port?)"
    return _system_error(error) or str(error) or type(error).__name__


def is_refusal(error: BaseException | str) -> bool:
    """Whether the broker answered and refused, so that trying again doesn't help."""
    told = _told(error)
    if told is not None:
        return _refuses(*told)
    return isinstance(error, _REFUSALS) and not _hung_up(error)


def _refuses(code: int, words: str) -> bool:
    return code in _CREDENTIALS_OR_VHOST and not any(passing in words for passing in _PASSING)


def _told(error: BaseException | str) -> tuple[int, str] | None:
    """The code and the text with which the broker closed a connection."""
    if isinstance(error, pika.exceptions.ConnectionClosedByBroker):
        return error.reply_code, error.reply_text
    match = _TOLD.match(text(error.args[0])) if isinstance(error, _REFUSALS) and error.args else None
    return (int(match[1]), match[3]) if match else None


def _hung_up(error: BaseException | str) -> bool:
    """Whether a node went away while it was being asked: it was stopped, or isn't up yet. (To
    refuse credentials or a virtual host, RabbitMQ says so.)"""
    return (
        isinstance(error, (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError))
        and bool(error.args)
        and "StreamLostError" in text(error.args[0])
    )


def tls_fails(error: BaseException | str) -> bool:
    """Whether TLS can't work as it is set up; a node that dies while it is being set up only hangs up."""
    hung_up = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    return any(isinstance(one, ssl.SSLError) and not isinstance(one, hung_up) for one in _causes(error))


def closed_by_broker(error: BaseException) -> tuple[int, str] | None:
    """The reply code and the text with which the broker closed a channel; None if we closed
    it, or it ended with its connection."""
    if isinstance(error, pika.exceptions.ChannelClosedByBroker):
        return error.reply_code, error.reply_text
    return None


def _causes(error: object) -> Iterator[BaseException]:
    """The error, and those within it, which pika wraps several times over: the innermost first."""
    if isinstance(error, BaseException):
        inner = (*getattr(error, "exceptions", ()), getattr(error, "exception", None), error.__cause__, *error.args)
        for one in reversed(inner):
            yield from _causes(one)
        yield error


def _system_error(error: object) -> str:
    """The operating system's own words."""
    return next((text for text in map(_words, _causes(error)) if text), "")


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate can't be verified: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "it doesn't speak TLS on this port (amqps:// needs its TLS port, often 5671)"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return ""
