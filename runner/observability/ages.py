"""For how long messages have lain on queues, from what is known without looking at them.

RabbitMQ shows no message to those who don't take it, and the embedded broker keeps no times. But a
queue hands out the oldest first: what lies on it now was put there after whatever was handed out
last, and after the queue was last seen empty. So these ages are the most that is possible, and not
below the truth, except for what lay there already when it was first looked: that counts from then on.

Retries have no age, for they wait for as long as they are told to, and what handlers are at work on has its `timeout`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from runner.brokers.base import Depth


class Ages:
    """Those of the messages on some queues. Only one thread at a time may use it."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}
        """When a queue was last seen without such messages, or first seen at all (Unix)."""

    def oldest(self, depths: Mapping[str, Depth], reached: Mapping[str, float]) -> Mapping[tuple[str, str], float]:
        """The age in seconds of the oldest message of each queue and kind, 0.0 where there is none.
        `reached` tells by queue when the message was put there that was handed out last (Unix)."""
        now, ages = time.time(), {}
        for queue, depth in depths.items():
            for kind, count in (("ready", depth.ready), ("dead", depth.dead)):
                since = self._since.setdefault((queue, kind), now)
                if not count and not (kind == "dead" and depth.looked_at):
                    since = self._since[queue, kind] = now
                elif kind == "ready":
                    since = max(since, reached.get(queue, 0.0))
                ages[queue, kind] = max(0.0, now - since)
        return ages
