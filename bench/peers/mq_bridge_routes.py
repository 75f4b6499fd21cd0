"""Both hops as mq-bridge routes in one process: Rust does the input, the output and the
batching, Python the handlers.

On classic queues: its consumer declares its queue itself, and can't declare a quorum queue.
"""

from __future__ import annotations

import os
import threading

from mq_bridge import Message, Route

from bench.job import check_notification, check_payment, notification_of

PREFETCH = 500
URL = os.environ["AMQP_URL"]


def forward(message: Message) -> Message:
    notification = notification_of(check_payment(message.json()), message.id or "")
    return message.with_json(notification)


def accept(message: Message) -> None:
    check_notification(message.json())


def main() -> None:
    def queue(name: str) -> dict[str, object]:
        return {"amqp": {"url": URL, "queue": name, "prefetch_count": PREFETCH}}

    first = {"input": queue("payment_queue"), "output": {"amqp": {"url": URL, "queue": "notification_queue"}}}
    second = {"input": queue("notification_queue"), "output": {"null": None}}
    routes = {"forward": {**first, "batch_size": PREFETCH}, "accept": {**second, "batch_size": PREFETCH}}
    Route.from_config({"routes": routes}, "forward").with_handler(forward).start()
    Route.from_config({"routes": routes}, "accept").with_handler(accept).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
