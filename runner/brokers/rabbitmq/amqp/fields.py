"""AMQP 0-9-1's properties and header tables: values ↔ bytes, both ways alike.

pika reads a float as an integer, and can't write one at all. The types are those that
RabbitMQ knows (rabbitmq.com/amqp-0-9-1-errata, section 3).
"""

from __future__ import annotations

import logging
import struct
from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from runner.wording import facts


@dataclass(slots=True)
class Properties:
    """The properties of a message. The protocol sets the fields' names and their order: the
    first has the highest of the flags that say which are present."""

    content_type: str | None = None
    content_encoding: str | None = None
    headers: Mapping[str, Any] | None = None
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    message_id: str | None = None
    timestamp: int | None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    cluster_id: str | None = None


log = logging.getLogger("runner.broker")


class Moment(int):
    """A timestamp in a header, in seconds, that no datetime can hold: some write milliseconds."""


# -- writing ---------------------------------------------------------------------------

Writer = Callable[[Any], bytes]


def short_text(text: str) -> bytes:
    """Raises ValueError if it is longer than AMQP allows."""
    encoded = text.encode()
    if len(encoded) > 255:
        raise ValueError(f"a property takes {len(encoded)} bytes, more than the 255 that AMQP allows")
    return bytes([len(encoded)]) + encoded


def table(values: Mapping[str, Any]) -> bytes:
    """Raises ValueError for a value that AMQP doesn't know."""
    return _long(b"".join(short_text(str(name)) + _value(value) for name, value in values.items()))


def properties(given: Properties) -> tuple[int, bytes]:
    """The flags, and the properties that are present. Raises ValueError like `table`."""
    values = [(number, getattr(given, name)) for number, name in enumerate(_NAMES)]
    there = [(number, value) for number, value in values if value is not None]
    flags = sum(1 << (15 - number) for number, _ in there)
    return flags, b"".join(_PROPERTY_WRITERS.get(_NAMES[number], short_text)(value) for number, value in there)


def _long(encoded: bytes) -> bytes:
    return struct.pack(">I", len(encoded)) + encoded


def _value(value: Any) -> bytes:
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
    """One octet says how many of the (32-bit) digits come after the point."""
    sign, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and exponent >= -255:
        raw = int("".join(map(str, digits))) * 10 ** max(exponent, 0) * (-1 if sign else 1)
        if -(1 << 31) <= raw < 1 << 31:
            return struct.pack(">cBi", b"D", max(-exponent, 0), raw)
    raise ValueError("a header is a decimal that AMQP can't hold")


_WRITERS: tuple[tuple[type, Writer], ...] = (
    (str, lambda value: b"S" + _long(value.encode())),
    (bool, lambda value: b"t" + bytes([value])),  # before int, of which it is a kind
    (Moment, lambda value: struct.pack(">cQ", b"T", value)),  # as well
    (int, _integer),
    (float, lambda value: struct.pack(">cd", b"d", value)),
    (type(None), lambda _value: b"V"),
    (bytes, lambda value: b"x" + _long(value)),
    (Decimal, _decimal),
    (datetime, lambda value: struct.pack(">cQ", b"T", timegm(value.utctimetuple()))),
    (Mapping, lambda value: b"F" + table(value)),
    (list, lambda value: b"A" + _long(b"".join(map(_value, value)))),
)
_NAMES = tuple(Properties.__dataclass_fields__)
_PROPERTY_WRITERS: Mapping[str, Writer] = {
    "headers": table,
    "delivery_mode": lambda value: bytes([value]),
    "priority": lambda value: bytes([value]),
    "timestamp": struct.Struct(">Q").pack,
}


# -- reading ---------------------------------------------------------------------------

Reader = Callable[[bytes, int], tuple[Any, int]]
"""From an offset: the value, and where the next one begins."""


def read_properties(flags: int, data: bytes, offset: int) -> Properties:
    """Those that `flags` declares, from `offset` on.

    Never raises: a message with unreadable headers must not end the connection, come again,
    and end it again. The result has those before the unreadable part.
    """
    found = Properties()
    try:
        for name, read in _present(flags):
            value, offset = read(data, offset)
            setattr(found, name, value)
    except (LookupError, ValueError, ArithmeticError, RecursionError, struct.error) as error:
        log.warning(
            "a message has properties that can't be read (%r); taken without them",
            error,
            extra=facts(reason=repr(error)),
        )
    return found


@lru_cache(maxsize=256)
def _present(flags: int) -> Sequence[tuple[str, Reader]]:
    """The properties that `flags` declares, in their order."""
    named = [name for number, name in enumerate(_NAMES) if flags & 1 << (15 - number)]
    return [(name, _PROPERTY_READERS.get(name, _read_short_text)) for name in named]


def _read_short_text(data: bytes, offset: int) -> tuple[str, int]:
    end = offset + 1 + data[offset]
    return data[offset + 1 : end].decode(errors="replace"), end


def _read_long(data: bytes, offset: int) -> tuple[bytes, int]:
    start = offset + 4
    end = start + int.from_bytes(data[offset:start])
    return data[start:end], end


def _read_text(data: bytes, offset: int) -> tuple[str | bytes, int]:
    """By the standard, long strings are bytes; almost everybody writes text."""
    encoded, end = _read_long(data, offset)
    try:
        return encoded.decode(), end
    except UnicodeDecodeError:
        return encoded, end


def _read_table(data: bytes, offset: int) -> tuple[dict[str, Any], int]:
    end = offset + 4 + int.from_bytes(data[offset : offset + 4])
    offset += 4
    values: dict[str, Any] = {}
    while offset < end:
        name, offset = _read_short_text(data, offset)
        values[name], offset = _read_value(data, offset)
    return values, end


def _read_list(data: bytes, offset: int) -> tuple[list[Any], int]:
    end = offset + 4 + int.from_bytes(data[offset : offset + 4])
    offset += 4
    values = []
    while offset < end:
        value, offset = _read_value(data, offset)
        values.append(value)
    return values, end


def _read_decimal(data: bytes, offset: int) -> tuple[Decimal, int]:
    places, raw = struct.unpack_from(">Bi", data, offset)
    return Decimal(raw).scaleb(-places), offset + 5


def _read_time(data: bytes, offset: int) -> tuple[datetime | Moment, int]:
    (seconds,) = struct.unpack_from(">Q", data, offset)
    try:
        return datetime.fromtimestamp(seconds, UTC), offset + 8
    except (OverflowError, ValueError, OSError):
        return Moment(seconds), offset + 8


def _read_value(data: bytes, offset: int) -> tuple[Any, int]:
    return _READERS[data[offset]](data, offset + 1)


def _fixed(form: str, convert: Callable[[Any], Any] = lambda value: value) -> Reader:
    layout = struct.Struct(form)

    def read(data: bytes, offset: int) -> tuple[Any, int]:
        return convert(layout.unpack_from(data, offset)[0]), offset + layout.size

    return read


_READERS: Mapping[int, Reader] = {
    ord("t"): _fixed(">B", bool),
    ord("b"): _fixed(">b"),
    ord("B"): _fixed(">B"),
    ord("s"): _fixed(">h"),
    ord("U"): _fixed(">h"),
    ord("u"): _fixed(">H"),
    ord("I"): _fixed(">i"),
    ord("i"): _fixed(">I"),
    ord("l"): _fixed(">q"),
    ord("L"): _fixed(">q"),
    ord("f"): _fixed(">f"),
    ord("d"): _fixed(">d"),
    ord("D"): _read_decimal,
    ord("S"): _read_text,
    ord("x"): _read_long,
    ord("A"): _read_list,
    ord("T"): _read_time,
    ord("F"): _read_table,
    ord("V"): lambda _data, offset: (None, offset),
}
_PROPERTY_READERS: Mapping[str, Reader] = {
    "headers": _read_table,
    "delivery_mode": _fixed(">B"),
    "priority": _fixed(">B"),
    "timestamp": _fixed(">Q"),
}
