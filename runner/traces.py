"""The trace that a message belongs to, as W3C's Trace Context has it: each hop is a span of its own,
and the next one's parent.

It travels as a header of a request does (see `headers`). One that can't be read travels as it came.
Left out: what becomes of a span (see `observability/opentelemetry.py`).
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

TRACEPARENT = "http-traceparent"
"""The header, as a message has it."""
MOST_OPEN = 10_000
"""Spans whose parent is remembered until they are told; those of requests that fail never are."""
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)


class Span(NamedTuple):
    """A place in a trace; its ids in hexadecimal digits."""

    trace: str
    id: str
    flags: str = "01"
    """`01`: it is recorded by whoever has begun the trace."""

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.id}-{self.flags}"


def read(value: object) -> Span | None:
    """The span that a `traceparent` names; None: it isn't one."""
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    is_known = version != "ff" and not (version == "00" and more)
    return Span(trace, span, flags) if is_known and int(trace, 16) and int(span, 16) else None


def child(parent: Span) -> Span:
    """A fresh span below `parent`."""
    return Span(parent.trace, _new(8), "01" if int(parent.flags, 16) & 1 else "00")


def root() -> Span:
    """The first of a fresh trace."""
    return Span(_new(16), _new(8))


def _new(size: int) -> str:
    return os.urandom(size).hex()


class Tracing:
    """What an intake does about traces. `starts(trace)` says whether a request that belongs to none begins
    a trace of this id; None: no request does. Then nobody asks for a span's parent either."""

    def __init__(self) -> None:
        self.starts: Callable[[str], bool] | None = None
        self._parents: OrderedDict[str, str] = OrderedDict()

    def entered(self, headers: Mapping[str, Any]) -> Mapping[str, Any]:
        """The headers of a request's messages: with the span of the request instead of its sender's."""
        sent = headers.get(TRACEPARENT)
        parent = None if sent is None else read(sent)
        if parent is not None:
            span = child(parent)
            if self.starts is not None:
                self._parents[span.id] = parent.id
                if len(self._parents) > MOST_OPEN:
                    self._parents.popitem(last=False)
            return {**headers, TRACEPARENT: str(span)}
        if sent is None and self.starts is not None and self.starts((span := root()).trace):
            return {**headers, TRACEPARENT: str(span)}
        return headers

    def parent_of(self, span: str) -> str | None:
        """The id of the sender's span, once."""
        return self._parents.pop(span, None)


TRACING = Tracing()
"""That of this process."""
