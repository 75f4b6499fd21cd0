"""The frames of plain messages by template: one call each writes and reads messages that differ
only in a tag, an id and a body.

A message is plain if the runner itself published it without headers; nearly all are. Left
out: everything else, which `frames` reads and writes.
"""

from __future__ import annotations

import struct

from runner.brokers.rabbitmq.amqp.frames import BODY, DELIVER, END, HEADER, OVERHEAD, PLAIN, publish_frame
from runner.message import Destination

PAYLOAD_AT = OVERHEAD - 1
"""Where a frame's payload begins."""
CONTENT = struct.pack(">HH", 60, 0)
"""The class, and a weight that nobody uses: the start of a content header."""


class PublishTemplate:
    """Basic.Publish (mandatory), content header and body frame of plain messages for one
    destination, whose encoded ids take `id_size` bytes."""

    __slots__ = ("_between", "_pack", "_properties", "_start")

    def __init__(self, channel: int, destination: Destination, id_size: int) -> None:
        self._properties = PLAIN + bytes([id_size])
        header_size = len(CONTENT) + 8 + len(self._properties) + id_size
        header = struct.pack(">BHI", HEADER, channel, header_size) + CONTENT
        self._start = publish_frame(channel, *destination) + header
        self._between = END + struct.pack(">BH", BODY, channel)
        self._pack = struct.Struct(
            f">{len(self._start)}sQ{len(self._properties)}s{id_size}s{len(self._between)}sI"
        ).pack

    def head(self, message_id: bytes, size: int) -> bytes:
        """Everything before a body of `size` bytes, at least one; after it comes `END`."""
        return self._pack(self._start, size, self._properties, message_id, self._between, size)


Plain = tuple[int, str, bytes]
"""A plain delivery, as read: its tag, the message's id, and the body. It has no headers, and was
not delivered before."""


class DeliveryTemplate:
    """Basic.Deliver, content header and body frame of plain messages like the one in `buffer`
    whose method frame is from `offset` to `end`: on the same channel, from the same exchange
    by the same routing key, with an id of the same length."""

    __slots__ = ("_between", "_properties", "_size", "_start", "_tail", "_unpack")

    def __init__(self, buffer: bytes, offset: int, end: int) -> None:
        consumer_tag = offset + PAYLOAD_AT + len(DELIVER)
        tag = consumer_tag + 1 + buffer[consumer_tag]
        size = end + PAYLOAD_AT + len(CONTENT)
        properties = size + 8
        identity = properties + len(PLAIN) + 1
        id_size = buffer[identity - 1]
        tail = identity + id_size
        self._start = buffer[offset:tag]
        self._between = buffer[tag + 8 : size]
        self._properties = buffer[properties:identity]
        self._tail = buffer[tail : tail + 4]  # the header's end, the body frame's kind and channel
        self._size = tail + 8 - offset
        self._unpack = struct.Struct(
            f">{tag - offset}sQ{len(self._between)}sQ{len(self._properties)}s{id_size}s4sI"
        ).unpack_from

    def read(self, buffer: bytes, offset: int) -> tuple[list[Plain], int]:
        """Those that follow each other from `offset` on, and the start of the first frame that is
        of another kind, or isn't complete yet."""
        found: list[Plain] = []
        first, second, third, fourth, fixed = self._start, self._between, self._properties, self._tail, self._size
        unpack, stop, last = self._unpack, len(buffer), END[0]
        while offset + fixed < stop:
            start, tag, between, size, properties, message_id, tail, length = unpack(buffer, offset)
            body = offset + fixed
            end = body + length
            if (
                start != first
                or between != second
                or properties != third
                or tail != fourth
                or size != length
                or end >= stop
                or buffer[end] != last
            ):
                break
            found.append((tag, message_id.decode("utf-8", "replace"), buffer[body:end]))
            offset = end + 1
        return found, offset
