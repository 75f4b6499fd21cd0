"""The names of all queues of a virtual host, which AMQP can't tell: by RabbitMQ's management plugin.

`MANAGEMENT_URL` says where it listens, if not at port 15672 of the broker (15671 for amqps).
"""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.errors import BrokerUnavailableError

VARIABLE = "MANAGEMENT_URL"
TIMEOUT = 5.0
"""Seconds."""
LARGEST = 64 << 20
"""Bytes of an answer."""


def queue_names(node: BrokerNode, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Those that last: neither of one connection, nor deleted with their last consumer. Raises
    BrokerUnavailableError with what to do."""
    base, user, password = _entrance(node, environ.get(VARIABLE, ""))
    request = urllib.request.Request(  # noqa: S310 - `_entrance` takes no other scheme
        f"{base}/api/queues/{quote(node.vhost, safe='')}?columns=name,exclusive,auto_delete",
        headers={"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()},
    )
    context = node.tls_context() if base.startswith("https:") else None
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:  # noqa: S310 - as above
            found = json.loads(answer.read(LARGEST))
        return [queue["name"] for queue in found if not queue.get("exclusive") and not queue.get("auto_delete")]
    except urllib.error.HTTPError as error:
        with error:
            raise BrokerUnavailableError(f"the management plugin at {base} answers {error.code}; {_HINTS}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = getattr(error, "reason", None) or error
        raise BrokerUnavailableError(f"the management plugin at {base} doesn't answer ({reason}); {_HINTS}") from None


_HINTS = f"enable rabbitmq_management, let the user see it (tag 'management'), or set {VARIABLE}"


def _entrance(node: BrokerNode, given: str) -> tuple[str, str, str]:
    """Where to ask, and as whom."""
    if not given:
        host = f"[{node.host}]" if ":" in node.host else node.host
        return (f"https://{host}:15671" if node.tls else f"http://{host}:15672"), node.user, node.password
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BrokerUnavailableError(f"{VARIABLE} can't be used; write http://HOST:15672")
    user, password = unquote(parts.username or node.user), unquote(parts.password or node.password)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}", user, password
