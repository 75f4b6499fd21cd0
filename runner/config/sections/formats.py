"""Values that are written as text: how each is read. Each function raises ValueError, which says what is wrong
after the value's name: `is 0B, but must be from 1B`.
"""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import urlsplit

from runner.hosts import read_host
from runner.pipeline import Address
from runner.units import format_size, parse_size

LONGEST_KEY = 255
"""Bytes (AMQP 0-9-1, section 4.2.5.3)."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SHORTEST_SECRET = 24
"""Bytes, as Standard Webhooks asks for."""
LARGEST_BODY = 16 << 20
"""Bytes. RabbitMQ 4 takes no larger message unless it is configured to."""


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if int(port) > 65_535:
        raise ValueError(f"has the port {port}, but ports end at 65535")
    return Address(read_host(host), int(port))


def whole(written: float) -> int:
    """The grammar accepts whole numbers written with a point or an exponent, as Helm does."""
    return int(written)


def routing_key(text: str) -> str:
    """A routing key is an AMQP short string."""
    if len(text.encode()) > LONGEST_KEY:
        raise ValueError(f"is {len(text.encode())} bytes long, and a key has at most {LONGEST_KEY}")
    return text


def http_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.password or url.fragment:
        raise ValueError("must be an http:// or https:// URL without a user")
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("must be a URL in ASCII, without spaces")
    _ = url.port  # which raises ValueError for none that there is
    return text


def secret(text: str) -> bytes:
    """A secret as Standard Webhooks writes it: base64, with `whsec_` before it."""
    try:
        secret = b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # of bytes that aren't ASCII, too
        secret = b""
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"must be {SECRET_PREFIX} and at least {SHORTEST_SECRET} bytes in base64")
    return secret


def body_size(written: str | float) -> int:
    count = parse_size(written)
    if not 1 <= count <= LARGEST_BODY:
        raise ValueError(f"is {format_size(count)}, but must be from 1B to {format_size(LARGEST_BODY)}")
    return count
