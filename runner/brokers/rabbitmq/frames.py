"""A message as AMQP 0-9-1 frames, written in one go.

pika builds an object for each frame and value of a publish, which costs several times
what the rest of publishing does; and it can't encode a header that is a float, though
it decodes one. Only what a publish needs is here (AMQP 0-9-1, section 4.2.3 and on).
"""

from __future__ import annotations

import struct
from calendar import timegm
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pika.spec import BasicProperties

METHOD, HEADER, BODY = 1, 2, 3
END = b"\xce"
OVERHEAD = 8
"""Bytes of a frame beside its payload."""
PERSISTENT = 2

_frame_head = struct.Struct(">BHI").pack
_content_head = struct.Struct(">HHQH").pack
_BASIC, _PUBLISH = 60, 40
_MANDATORY = 1

# The properties in the order of their flags, from the highest bit on.
_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE = 1 << 15, 1 << 14, 1 << 13, 1 << 12
_CORRELATION_ID, _REPLY_TO, _MESSAGE_ID = 1 << 10, 1 << 9, 1 << 7
_TIMESTAMP, _TYPE, _APP_ID = 1 << 6, 1 << 5, 1 << 3


@lru_cache(maxsize=4096)
def publish_frame(channel: int, exchange: str, key: str) -> bytes:
    """Basic.Publish, mandatory. The same few destinations come again and again."""
    payload = struct.pack(">HHH", _BASIC, _PUBLISH, 0) + _short(exchange) + _short(key) + bytes([_MANDATORY])
    return _frame_head(METHOD, channel, len(payload)) + payload + END


def content_frames(
    channel: int,
    frame_max: int,
    message_id: str,
    headers: Mapping[str, Any],
    body: bytes,
    origin: BasicProperties | None,
) -> bytes:
    """The header and body frames of a persistent message.

    One that is moved on (`origin`: the properties it came with) keeps its sender's
    properties; but neither an expiration (it would vanish from the dead letters) nor a
    user id (RabbitMQ closes the channel where that isn't the connection's own).
    Raises ValueError where the headers don't fit into a frame, or can't be written.
    """
    flags, properties = _plain(message_id, headers) if origin is None else _moved(message_id, headers, origin)
    size = len(properties) + 14
    if size > frame_max - OVERHEAD:
        raise ValueError(f"its headers take {size} bytes, more than a frame holds ({frame_max})")
    head = _frame_head(HEADER, channel, size) + _content_head(_BASIC, 0, len(body), flags) + properties + END
    largest = frame_max - OVERHEAD
    if len(body) <= largest:
        return head + _frame_head(BODY, channel, len(body)) + body + END if body else head
    parts = (body[start : start + largest] for start in range(0, len(body), largest))
    return head + b"".join(_frame_head(BODY, channel, len(part)) + part + END for part in parts)


def _plain(message_id: str, headers: Mapping[str, Any]) -> tuple[int, bytes]:
    if not headers:
        return _CONTENT_TYPE | _DELIVERY_MODE | _MESSAGE_ID, b"\x10application/json\x02" + _short(message_id)
    table = _table(headers)
    flags = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _MESSAGE_ID
    return flags, b"\x10application/json" + table + b"\x02" + _short(message_id)


def _moved(message_id: str, headers: Mapping[str, Any], origin: BasicProperties) -> tuple[int, bytes]:
    properties = (
        (_CONTENT_TYPE, origin.content_type),
        (_CONTENT_ENCODING, origin.content_encoding),
        (_HEADERS, headers or None),
        (_DELIVERY_MODE, PERSISTENT),
        (_CORRELATION_ID, origin.correlation_id),
        (_REPLY_TO, origin.reply_to),
        (_MESSAGE_ID, message_id),
        (_TIMESTAMP, origin.timestamp),
        (_TYPE, origin.type),
        (_APP_ID, origin.app_id),
    )
    writers: dict[int, _Writer] = {
        _HEADERS: _table,
        _DELIVERY_MODE: lambda mode: bytes([mode]),
        _TIMESTAMP: struct.Struct(">Q").pack,
    }
    given = [(flag, value) for flag, value in properties if value is not None]
    return sum(flag for flag, _ in given), b"".join(writers.get(flag, _short)(value) for flag, value in given)


def _short(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 255:
        raise ValueError(f"a property takes {len(encoded)} bytes, more than the 255 that AMQP allows")
    return bytes([len(encoded)]) + encoded


def _long(encoded: bytes) -> bytes:
    return struct.pack(">I", len(encoded)) + encoded


def _table(table: Mapping[str, Any]) -> bytes:
    return _long(b"".join(_short(str(name)) + _value(value) for name, value in table.items()))


def _value(value: Any) -> bytes:
    """A field value with its type, as RabbitMQ reads them (rabbitmq.com/amqp-0-9-1-errata)."""
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    raise ValueError(f"a header is of the type {type(value).__name__}, which AMQP doesn't know")


def _integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return struct.pack(">ci", b"I", value)
    if -(1 << 63) <= value < 1 << 63:
        return struct.pack(">cq", b"l", value)
    raise ValueError("a header is an integer of more than 64 bits, which AMQP doesn't know")


def _decimal(value: Decimal) -> bytes:
    """One octet says how many of the (32-bit) digits stand behind the point."""
    sign, digits, exponent = value.normalize().as_tuple()
    if not isinstance(exponent, int) or exponent < -255:
        raise ValueError("a header is a decimal that AMQP can't hold")
    raw = int("".join(map(str, digits))) * 10 ** max(exponent, 0) * (-1 if sign else 1)
    if not -(1 << 31) <= raw < 1 << 31:
        raise ValueError("a header is a decimal that AMQP can't hold")
    return struct.pack(">cBi", b"D", max(-exponent, 0), raw)


_Writer = Callable[[Any], bytes]
_WRITERS: tuple[tuple[type, _Writer], ...] = (
    (str, lambda value: b"S" + _long(value.encode())),
    (bool, lambda value: b"t" + bytes([value])),  # before int, of which it is a kind
    (int, _integer),
    (float, lambda value: struct.pack(">cd", b"d", value)),
    (type(None), lambda _value: b"V"),
    (bytes, lambda value: b"x" + _long(value)),
    (Decimal, _decimal),
    (datetime, lambda value: struct.pack(">cQ", b"T", timegm(value.utctimetuple()))),
    (Mapping, lambda value: b"F" + _table(value)),
    (list, lambda value: b"A" + _long(b"".join(map(_value, value)))),
)
