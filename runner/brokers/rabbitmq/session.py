"""What one channel has delivered and is still in hand; acks in batches."""

from __future__ import annotations

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.message import Delivery, Session


class ChannelSession(Session):
    """The deliveries of one channel that are in hand, and the acks that are still to leave.

    Delivery tags count from 1 on each channel. Those before the first that is in hand are
    acked in one frame (`multiple`); those after it follow one by one a moment later, so that
    a slow message doesn't hold up the others.
    """

    __slots__ = ("_settled", "channel", "in_hand", "large", "leaving", "singly_soon")

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self._settled: list[int] = []
        """Tags whose acks are still to leave."""
        self.in_hand: dict[int, Delivery] = {}
        """By tag, ascending: delivered, and not settled yet."""
        self.large: dict[int, int] = {}
        """Bytes of large bodies by tag: of those in hand, and of some that were."""
        self.leaving: set[Delivery] = set()
        """Those whose ack waits for the confirms of several messages, or for a second try."""
        self.singly_soon = False
        """Whether `flush_singly` is about to be called."""

    def weight(self) -> int:
        """Bytes of the large bodies in hand."""
        self.large = {tag: size for tag, size in self.large.items() if tag in self.in_hand}
        return sum(self.large.values())

    def settled(self, tag: int) -> None:
        """The delivery may be acked; `flush` sends it."""
        delivery = self.in_hand.pop(tag, None)
        if delivery is not None:
            self._settled.append(tag)
            if self.leaving:
                self.leaving.discard(delivery)

    def end(self) -> None:
        """The channel is gone."""
        self.open = False
        self.in_hand.clear()

    def flush(self) -> bool:
        """Ack those before the first that is in hand. True if some are left after it."""
        first = next(iter(self.in_hand), None)
        if first is None:
            before, self._settled = self._settled, []
        else:
            before = [tag for tag in self._settled if tag < first]
            self._settled = [tag for tag in self._settled if tag > first]
        if before and self.open:
            # A multiple ack must name an outstanding tag (else 406): one of these is.
            self.channel.ack(max(before), multiple=True)
        return bool(self._settled)

    def flush_singly(self) -> None:
        """Ack what is left after the first that is in hand."""
        self.singly_soon = False
        settled, self._settled = self._settled, []
        if self.open:
            for tag in settled:
                self.channel.ack(tag, multiple=False)


def session_of(delivery: Delivery) -> ChannelSession:
    """The session of one of our deliveries."""
    session = delivery.session
    assert isinstance(session, ChannelSession)
    return session
