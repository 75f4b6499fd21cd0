"""The intake by mq-bridge alone, all of it in Rust: its HTTP server, and its AMQP output,
which waits for the broker's confirm (`delayed_ack` off). It checks no schema.

    python -m bench.peers.mq_bridge_http PORT
"""

from __future__ import annotations

import os
import sys
import threading

from mq_bridge import Route


def main(port: int) -> None:
    server = {"url": f"127.0.0.1:{port}", "path": "/make-payment", "method": "POST", "concurrency_limit": 1024}
    queue = {"url": os.environ["AMQP_URL"], "queue": "payment_queue", "no_declare_queue": True, "delayed_ack": False}
    route = {"input": {"http": server}, "output": {"amqp": queue}}
    Route.from_config({"routes": {"intake": route}}, "intake").start()
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
