"""Rows → messages in hand, whatever another program has put into them.

A row without a usable id gets one. A row whose headers can't be read becomes a delivery with
a fault, which its stage moves to the dead letters. Knows no statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runner.message import ATTEMPT, HEADER_PREFIX, LONGEST_ID, NO_HEADERS, Delivery, Session, last_error, number

COLUMNS = """
CAST(id AS TEXT) AS id, CAST(headers AS TEXT) AS headers, CAST(coalesce(payload, '') AS BLOB) AS payload
"""
"""SQLite keeps a value of any type in any column. What isn't text is no JSON, and a text's
length is one of characters."""
DEEPEST_HEADERS = 100
"""Levels: the json module writes no more than a thousand, its caller's stack included."""


class Taken(NamedTuple):
    """A message that was just taken in hand."""

    place: int
    id: str
    headers: str | None
    crashes: int
    payload: bytes


def unpacked(packed: tuple[str, bytes]) -> Iterator[Taken]:
    """The messages in one row that holds many: their fields in JSON, their payloads in a row."""
    fields, payloads = packed
    start = 0
    for place, message_id, headers, crashes, length in json.loads(fields):
        yield Taken(place, message_id, headers, crashes, payloads[start : start + length])
        start += length


def surely_usable(ids: Sequence[str]) -> bool:
    """Whether all of these ids (at least one) are as the runner's own are, in one look."""
    joined = "".join(ids)
    return joined.isascii() and joined.isprintable() and min(map(len, ids)) > 0 and max(map(len, ids)) <= LONGEST_ID


def delivery_of(message: Taken, queue: str, session: Session, broker_data: object) -> Delivery:
    """The message in hand, from now on."""
    place, message_id, headers_text, crashes, payload = message
    headers, attempts, unreadable, error = NO_HEADERS, 0, "", ""
    if headers_text is not None:
        headers, attempts, unreadable, error = _read_headers(headers_text)
    if crashes:
        crashes = number(crashes)
    attempt = attempts + crashes + 1
    return Delivery(
        queue, message_id, payload, headers, attempt, session, place, broker_data, crashes, unreadable, error
    )


def attempts_in(headers: str | None) -> int:
    """The attempts that were made of a message with these headers."""
    return 0 if headers is None else _read_headers(headers)[1]


def _read_headers(text: str) -> tuple[Mapping[str, Any], int, str, str]:
    """The headers of the message's sender, the attempts that were made of it, why they can't be
    read, and why the last attempt failed."""
    headers, unreadable = headers_of(text)
    if unreadable:
        return NO_HEADERS, 0, unreadable, ""
    sent = {name: value for name, value in headers.items() if not name.startswith(HEADER_PREFIX)}
    return sent, number(headers.get(ATTEMPT)), "", last_error(headers)


def headers_of(text: str) -> tuple[Mapping[str, Any], str]:
    """All headers of a row, also the runner's own; none, and why, if they can't be read."""
    try:
        headers = json.loads(text)
    except (ValueError, RecursionError):
        headers = None
    if not isinstance(headers, dict):
        return NO_HEADERS, "its headers in the broker's file are no JSON object"
    if text.count("{") + text.count("[") > DEEPEST_HEADERS and _is_deep(headers):
        return NO_HEADERS, f"its headers in the broker's file are nested more than {DEEPEST_HEADERS} deep"
    return headers, ""


def _is_deep(value: dict[str, Any]) -> bool:
    level: list[Any] = [value]
    for _ in range(DEEPEST_HEADERS):
        containers = [inner.values() if isinstance(inner, dict) else inner for inner in level]
        level = [one for container in containers for one in container if isinstance(one, dict | list)]
        if not level:
            return False
    return True
