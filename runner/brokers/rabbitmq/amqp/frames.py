"""Messages ↔ AMQP 0-9-1 frames, in one go (sections 2.3 and 4.2 of the specification).

pika makes an object of each frame and of each value in it, which costs several times as much
as everything else that happens to a message. Here are only the kinds of frames that come and
go by the thousand: publishes, deliveries, confirms and acks. Left out: those that differ only
in a few bytes (see `templates`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from pika.exceptions import InvalidFrameError
from pika.frame import Header
from pika.spec import BasicProperties

from runner.brokers.rabbitmq.amqp import fields
from runner.brokers.rabbitmq.amqp.fields import Properties, short_text

METHOD, HEADER, BODY = 1, 2, 3
OVERHEAD = 8
"""Bytes of a frame beside its payload: seven before it, one after."""
END = b"\xce"
PERSISTENT = 2

DELIVER = struct.pack(">HH", 60, 60)
ACK = struct.pack(">HH", 60, 80)
"""The class and the method at the start of a method frame's payload."""
_PUBLISH = struct.pack(">HHH", 60, 40, 0)
_MANDATORY = b"\x01"

_frame = struct.Struct(">BHI")
_content = struct.Struct(">HHQH")
_tag = struct.Struct(">QB")
_ack = struct.Struct(">BHI4sQBs")

_PLAIN_FLAGS = fields.properties(Properties("", delivery_mode=PERSISTENT, message_id=""))[0]
_PLAIN_START = short_text("application/json") + bytes([PERSISTENT])
PLAIN = struct.pack(">H", _PLAIN_FLAGS) + _PLAIN_START
"""How the properties begin of a message without headers that was written here."""


# -- writing ---------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def publish_frame(channel: int, exchange: str, key: str) -> bytes:
    """Basic.Publish, mandatory. The same few destinations come again and again."""
    payload = _PUBLISH + short_text(exchange) + short_text(key) + _MANDATORY
    return _frame.pack(METHOD, channel, len(payload)) + payload + END


def ack_frame(channel: int, tag: int, multiple: bool) -> bytes:
    """Basic.Ack of the delivery `tag`, or of all up to it."""
    return _ack.pack(METHOD, channel, len(ACK) + _tag.size, ACK, tag, multiple, END)


def content_frames(
    channel: int, frame_max: int, message_id: str, headers: Mapping[str, Any], body: bytes, origin: Properties | None
) -> bytes:
    """The header and body frames of a persistent message.

    One that is moved on (`origin`: the properties that it came with) keeps those of its
    sender's properties that don't affect RabbitMQ. Raises ValueError if the headers don't fit
    into a frame, or can't be written.
    """
    if headers or origin is not None:
        flags, properties = fields.properties(
            replace(
                Properties("application/json") if origin is None else _inert(origin),
                headers=headers or None,
                delivery_mode=PERSISTENT,
                message_id=message_id,
            )
        )
    else:
        flags, properties = _PLAIN_FLAGS, _PLAIN_START + short_text(message_id)
    size, largest = len(properties) + _content.size, frame_max - OVERHEAD
    if size > largest:
        raise ValueError(f"its headers take {size} bytes, more than a frame holds ({largest})")
    head = _frame.pack(HEADER, channel, size) + _content.pack(60, 0, len(body), flags) + properties + END
    if len(body) <= largest:
        return head + _frame.pack(BODY, channel, len(body)) + body + END if body else head
    parts = (body[start : start + largest] for start in range(0, len(body), largest))
    return head + b"".join(_frame.pack(BODY, channel, len(part)) + part + END for part in parts)


def _inert(origin: Properties) -> Properties:
    """Those of a sender's properties that may travel on. The others may not: with an expiration
    a message would vanish from the dead letters, and a user id other than the connection's, or a
    reply to RabbitMQ's pseudo-queue (rabbitmq.com/docs/direct-reply-to), closes the channel."""
    reply_to = origin.reply_to
    return Properties(
        content_type=origin.content_type,
        content_encoding=origin.content_encoding,
        correlation_id=origin.correlation_id,
        reply_to=None if reply_to is None or reply_to.startswith("amq.") else reply_to,
        timestamp=origin.timestamp,
        type=origin.type,
        app_id=origin.app_id,
    )


# -- reading ---------------------------------------------------------------------------


class IncompleteError(Exception):
    """The rest is still to come."""


class Delivered(NamedTuple):
    """A delivery, as it was read."""

    tag: int
    redelivered: bool
    message_id: str
    properties: Properties | None
    """None: only those that the runner itself writes without headers."""
    body: bytes


def frame_at(buffer: bytes, offset: int) -> tuple[int, int, int] | None:
    """The kind, the channel and the end of the frame at `offset`; None: it isn't complete yet.

    Raises pika's InvalidFrameError, which ends the connection.
    """
    start = offset + _frame.size
    if start > len(buffer):
        return None
    kind, channel, size = _frame.unpack_from(buffer, offset)
    end = start + size + 1
    if end > len(buffer):
        return None
    if buffer[end - 1] != END[0]:
        raise InvalidFrameError("a frame doesn't end where it says")
    return kind, channel, end


def read_ack(buffer: bytes, offset: int) -> tuple[int, bool]:
    """The tag of the Basic.Ack in the frame at `offset`, and whether it is for all up to it."""
    tag, multiple = _tag.unpack_from(buffer, offset + _frame.size + len(ACK))
    return tag, bool(multiple & 1)


def read_header(buffer: bytes, offset: int, channel: int) -> Header:
    """The content header at `offset`, in pika's form, of a message that goes pika's way."""
    _, _, size, flags = _content.unpack_from(buffer, offset + _frame.size)
    properties = fields.read_properties(flags, buffer, offset + _frame.size + _content.size)
    # Not `asdict`: it copies nested headers, and runs out of stack where reading them didn't.
    values = {name: getattr(properties, name) for name in fields.Properties.__dataclass_fields__}
    return Header(channel, size, BasicProperties(**values))


def read_delivery(buffer: bytes, offset: int, end: int) -> tuple[Delivered | None, int]:
    """The delivery whose method frame is from `offset` to `end`, with the frames that follow
    it, and where those end. (None, 0) if its body has several frames. Raises IncompleteError if
    not all the frames are there yet."""
    header = frame_at(buffer, end)
    if header is None:
        raise IncompleteError
    start, after = end + _frame.size, header[2]
    (size,) = struct.unpack_from(">Q", buffer, start + 4)
    body = b""
    if size:
        only = frame_at(buffer, after)
        if only is None:
            raise IncompleteError
        if only[2] - after - OVERHEAD != size:
            return None, 0
        body, after = buffer[after + _frame.size : only[2] - 1], only[2]
    consumer_tag = offset + _frame.size + len(DELIVER)
    tag, redelivered = _tag.unpack_from(buffer, consumer_tag + 1 + buffer[consumer_tag])
    message_id, properties = _read_properties(buffer, start + 12)
    return Delivered(tag, bool(redelivered & 1), message_id, properties, body), after


def _read_properties(buffer: bytes, offset: int) -> tuple[str, Properties | None]:
    if buffer.startswith(PLAIN, offset):
        start = offset + len(PLAIN)
        return buffer[start + 1 : start + 1 + buffer[start]].decode(errors="replace"), None
    (flags,) = struct.unpack_from(">H", buffer, offset)
    properties = fields.read_properties(flags, buffer, offset + 2)
    return properties.message_id or "", properties
