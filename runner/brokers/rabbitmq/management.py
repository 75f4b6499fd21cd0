"""What AMQP can't tell of a virtual host, asked of RabbitMQ's management plugin: all queues, the bindings, and whose
connection has a queue to itself.

`MANAGEMENT_URL` says where it listens, if not at port 15672 of a node (15671 for amqps).
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerUnavailableError
from runner.topology import PlannedBinding

VARIABLE = "MANAGEMENT_URL"
PORT, TLS_PORT = 15672, 15671
TIMEOUT = 5.0
"""Seconds."""
LARGEST = 64 << 20
"""Bytes of an answer."""


class Management:
    """The plugin at the first node of `urls` that answers. Its methods raise BrokerUnavailableError with what to do."""

    def __init__(self, urls: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
        self._given = environ.get(VARIABLE, "")
        self._nodes = list(chain.from_iterable(map(nodes, urls)))[: 1 if self._given else None]
        self._vhost = quote(self._nodes[0].vhost, safe="")

    def queue_names(self) -> list[str]:
        """Those that last: neither of one connection, nor deleted with their last consumer."""

        def read(found: Any) -> list[str]:
            return [one["name"] for one in found if not one.get("exclusive") and not one.get("auto_delete")]

        names: list[str] = self._asked(f"queues/{self._vhost}?columns=name,exclusive,auto_delete", read)
        return names

    def bindings(self) -> list[PlannedBinding]:
        """Those of queues to exchanges, without the default one."""

        def read(found: Any) -> list[PlannedBinding]:
            of_queues = [one for one in found if one["source"] and one["destination_type"] == "queue"]
            return [PlannedBinding(one["source"], one["destination"], one["routing_key"]) for one in of_queues]

        bindings: list[PlannedBinding] = self._asked(f"bindings/{self._vhost}", read)
        return bindings

    def undelivered(self, queues: Sequence[str]) -> int | None:
        """How many messages `queues` have to dead-letter, and could not yet; None: not known."""

        def read(found: Any) -> int:
            return sum(one["messages_dlx"] for one in found if one["name"] in queues)

        with suppress(BrokerUnavailableError):
            count: int = self._asked(f"queues/{self._vhost}?columns=name,messages_dlx", read)
            return count
        return None

    def owner(self, queue: str) -> str:
        """The connection that has `queue` to itself, by its name and where it comes from; empty: not known."""

        def read(found: Any) -> tuple[str, str]:
            owner = found["owner_pid_details"]
            return owner["name"], owner["peer_host"]

        with suppress(BrokerUnavailableError):
            peer, host = self._asked(f"queues/{self._vhost}/{quote(queue, safe='')}", read)
            name = self._asked(f"connections/{quote(peer, safe='')}", lambda found: found["user_provided_name"])
            return f"'{name}' at {host}"
        return ""

    def _asked(self, path: str, read: Callable[[Any], Any]) -> Any:
        """What `read` makes of the answer. The node that has answered is asked first from then on."""
        troubles = []
        for node in list(self._nodes):
            try:
                found = _answer(node, self._given, path, read)
            except BrokerUnavailableError as error:
                troubles.append(error)
            else:
                self._nodes.sort(key=lambda one: one is not node)
                return found
        raise troubles[0]


def _answer(node: BrokerNode, given: str, path: str, read: Callable[[Any], Any]) -> Any:
    base, user, password = _entrance(node, given)
    request = urllib.request.Request(  # noqa: S310 - `_entrance` takes no other scheme
        f"{base}/api/{path}",
        headers={"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()},
    )
    encrypted = urllib.request.HTTPSHandler(context=node.tls_context() if base.startswith("https:") else None)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects, encrypted)
    try:
        with direct.open(request, timeout=TIMEOUT) as answer:
            return read(json.loads(answer.read(LARGEST)))
    except urllib.error.HTTPError as error:
        with error:
            raise BrokerUnavailableError(f"the management plugin at {base} answers {error.code}; {_HINTS}") from None
    except http.client.HTTPException:  # some of which have bytes of the answer in their text
        raise BrokerUnavailableError(f"what listens at {base} doesn't speak HTTP; {_HINTS}") from None
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        reason = getattr(error, "reason", None) or error
        raise BrokerUnavailableError(f"the management plugin at {base} doesn't answer ({reason}); {_HINTS}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The user's password goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


_HINTS = f"enable rabbitmq_management, let the user see it (tag 'management'), or set {VARIABLE}"


def _entrance(node: BrokerNode, given: str) -> tuple[str, str, str]:
    """Where to ask, and as whom."""
    if not given:
        host = f"[{node.host}]" if ":" in node.host else node.host
        return f"https://{host}:{TLS_PORT}" if node.tls else f"http://{host}:{PORT}", node.user, node.password
    try:
        parts = urlsplit(given)
        usable = parts.scheme in ("http", "https") and parts.hostname and given.isprintable() and " " not in given
        _ = parts.port  # which raises for none that there is
    except ValueError:
        usable = False
    if not usable:
        raise BrokerUnavailableError(f"{VARIABLE} can't be used; write http://HOST:15672")
    user, password = unquote(parts.username or node.user), unquote(parts.password or node.password)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}", user, password
