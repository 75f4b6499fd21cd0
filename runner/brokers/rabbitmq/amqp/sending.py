"""Messages published one at a time, each confirmed before the next: in place of what was read.

Over a connection of its own: on the reader's, a confirm would come behind everything that the
broker has sent by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.errors import explain
from runner.brokers.rabbitmq.amqp.fields import Properties
from runner.brokers.rabbitmq.amqp.frames import content_frames, publish_frame
from runner.brokers.rabbitmq.amqp.link import Link
from runner.errors import BrokerUnavailableError

UNROUTABLE = "it leads to no queue"
REFUSED = "the broker has refused it; the queue may be full"


class Sender:
    """Publishes over `link`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: Channel | None = None
        self._published = 0
        self._confirmed = 0
        self._refusal = ""
        self._why = ""

    def publish(
        self, exchange: str, key: str, id: str, headers: Mapping[str, Any], payload: bytes, origin: Properties | None
    ) -> str:
        """Publish it with its sender's other properties (`origin`), and wait for the confirm. Returns
        why it was refused; empty: it is on a queue. Raises BrokerUnavailableError."""
        channel = self._prepared()
        try:
            content = content_frames(channel.number, channel.frame_max, id, headers, payload, origin)
        except ValueError as error:
            return str(error)
        self._refusal = ""
        self._published += 1
        channel.write(publish_frame(channel.number, exchange, key), content)
        self._link.expect(lambda: self._confirmed >= self._published or self._channel is None, "a confirm")
        if self._channel is None and self._confirmed < self._published:
            raise BrokerUnavailableError(f"the broker has closed the channel: {self._why}")
        return self._refusal

    def close(self) -> None:
        self._link.close()

    def _prepared(self) -> Channel:
        if self._channel is None:
            channel = self._link.channel()
            channel.confirm(self._told, self._returned)
            channel.on_closed(self._closed)
            self._channel, self._published, self._confirmed = channel, 0, 0
        return self._channel

    def _told(self, tag: int, _multiple: bool, refused: bool = False) -> None:
        self._confirmed = tag
        if refused:
            self._refusal = REFUSED
        self._link.stop()

    def _returned(self, _exchange: str, _key: str, _id: str) -> None:
        self._refusal = UNROUTABLE

    def _closed(self, error: BaseException) -> None:
        self._channel, self._why = None, explain(error)
