"""How much may wait for a broker's confirm after `submit`: a broker that neither answers nor
goes away must not fill the memory.

Left out: what a worker settles, which its deliveries in hand already limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from runner.brokers.base import Done
from runner.errors import BrokerAwayError, BrokerError
from runner.message import Outgoing

MOST_OUTSTANDING = 64 * 1024 * 1024
"""Bytes that may wait to be confirmed."""
COST = 1024
"""About how many bytes a message takes beside its payload."""


class Outstanding:
    """What was submitted and not answered yet. For any thread."""

    def __init__(self) -> None:
        self._bytes = 0
        self._lock = Lock()

    def counted(self, messages: Sequence[Outgoing], done: Done) -> Done:
        """`done`, which ends the wait of `messages` as well; it begins now.

        Raises BrokerAwayError while too much waits already; a message alone may be of any size.
        """
        size = sum([len(message.payload) for message in messages]) + COST * len(messages)
        with self._lock:
            if self._bytes and self._bytes + size > MOST_OUTSTANDING:
                raise BrokerAwayError(
                    f"{self._bytes / 2**20:.0f} MiB wait for the broker to confirm them, and no more may wait"
                )
            self._bytes += size

        def answered(error: BrokerError | None) -> None:
            with self._lock:
                self._bytes -= size
            done(error)

        return answered
