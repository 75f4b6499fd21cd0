"""HTTP load on a server of this machine, and a check whether it is up."""

from __future__ import annotations

import http.client
import json
import uuid
from pathlib import Path
from typing import NamedTuple

from bench.failure import ContenderError
from bench.ground import Ground
from bench.program import finish

CONNECTIONS = 32
TIMEOUT = 120.0
"""Seconds that a load may take."""


class Load(NamedTuple):
    """The result of a load: requests per second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def load(
    ground: Ground,
    folder: Path,
    port: int,
    path: str,
    body: bytes,
    requests: int,
    *,
    rate: float = 0.0,
    keyed: bool = False,
) -> Load:
    """Post `body` so many times over 32 open connections, as fast as the answers come or `rate`
    times a second; `keyed`: each time under another Idempotency-Key, which no other load has.
    Raises ContenderError if any answer isn't 202."""
    arguments = ["127.0.0.1", port, path, body.decode(), CONNECTIONS, requests, rate]
    if keyed:
        arguments.append(uuid.uuid4().hex)
    found = json.loads(finish([str(ground.compiled("load")), *map(str, arguments)], folder, timeout=TIMEOUT))
    if found["statuses"] != {"202": requests}:
        raise ContenderError(f"not every answer was 202: {found['statuses']}")
    return Load(requests / found["seconds"], found["p50"], found["p99"])


def post(port: int, path: str, body: bytes) -> int:
    """The status of one request; 0 if nothing answers."""
    return _status(port, "POST", path, body)


def get(port: int, path: str) -> int:
    """As `post`."""
    return _status(port, "GET", path, None)


def _status(port: int, method: str, path: str, body: bytes | None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
