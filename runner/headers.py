"""Headers of an HTTP request that travel with its message: their names, values, and how a handler reads them.

On the wire each has a prefix, so that none means anything to a broker (RabbitMQ acts on `CC` and keeps
`x-` for itself) or to the runner. Left out: which ones travel (see `pipeline.HttpRoute.headers`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.privacy.masking import mask

PREFIX = "http-"
LONGEST_VALUE = 1_024
"""Characters."""
MOST = 16
"""Headers of one message. Together with a dead letter's traceback they fit into a frame of AMQP."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_SECRET = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token"}
)
_KEYS = frozenset({"idempotency-key", "webhook-signature"})


def check_name(name: str) -> str:
    """`name`, if a header with it may travel. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError("must be a header's name: at most 64 letters, digits and hyphens, such as X-Request-ID")
    if name.lower() in _SECRET:
        raise ValueError(f"names {name}, which is a secret of its sender and must not be stored; remove it")
    if name.lower() in _KEYS:
        raise ValueError(f"names {name}, which belongs to the request; remove it, and use the message's id")
    return name


def on_the_wire(name: str, value: str) -> tuple[str, str]:
    """A header as its message has it, without card numbers. Raises ValueError, which doesn't quote the value."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"the header {name} must be printable ASCII")
    if len(value) > LONGEST_VALUE:
        raise ValueError(f"the header {name} has {len(value):,} characters, and may have {LONGEST_VALUE:,}")
    return PREFIX + name.lower(), mask(value).replace("•", "*").replace("…", "...")


class Headers(Mapping[str, Any]):
    """The headers of a message, read-only. They are looked up in any case: `X-Request-ID`, `x-request-id`.

    Those of an HTTP request are listed in lower case. Where the sender of a message wrote two names
    that differ only by case, each is found as it is written.
    """

    __slots__ = ("_lowered", "_values")

    def __init__(self, sent: Mapping[str, Any]) -> None:
        travelled = {name.removeprefix(PREFIX): sent[name] for name in sent if name.startswith(PREFIX)}
        self._values = {name: sent[name] for name in sent if not name.startswith(PREFIX)} | travelled
        self._lowered = {name.lower(): value for name, value in self._values.items()} | travelled

    def __getitem__(self, name: str) -> Any:
        return self._values[name] if name in self._values else self._lowered[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({self._values!r})"
