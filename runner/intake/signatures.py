"""Signed requests, as Standard Webhooks has them: who sends one, which one it is, and when it was sent.

A request without a valid signature is a 401, however it is malformed. A signature covers the id, the
time and the body, so that none can be changed, and a captured request is of use for a short while
only. Left out: whether the request was answered before (see `register`).
"""

from __future__ import annotations

import hmac
import re
import time
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

from runner.intake.problems import TurnedAway, problem
from runner.pipeline import HttpRoute, Verify
from runner.units import format_duration

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_ID = re.compile(r"[!-\-/-~]{1,255}")
"""Printable ASCII without a dot, which divides it from the time in what is signed."""
_SECONDS = re.compile(r"[0-9]{1,12}")
_VERSION = "v1,"
_HEADERS = {"WWW-Authenticate": "StandardWebhooks"}


class Headers(Protocol):
    """Those of a request, Flask's or granian's."""

    def get(self, key: str, default: str) -> str: ...


class Signed(NamedTuple):
    """A request that is known by its sender."""

    key: str
    """The sender's id of it, the same when it is sent again."""
    message: str
    """The id of the message that it becomes, made from the key."""


class Signatures:
    """What the requests of one route are verified by."""

    def __init__(self, route: HttpRoute, verify: Verify) -> None:
        self._route = str(route)
        self._secrets = verify.secrets
        self._tolerance = verify.tolerance

    def verified(self, headers: Headers, body: bytes) -> Signed:
        """Raises TurnedAway (401) for a request that none of the secrets has signed, or not lately."""
        key, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
        if not (_ID.fullmatch(key) and _SECONDS.fullmatch(timestamp)):
            raise _unsigned(f"a signed request has the headers {ID}, {TIMESTAMP} (in seconds) and {SIGNATURE}")
        expected = self._signatures(f"{key}.{timestamp}.".encode() + body)
        if not _is_any(headers.get(SIGNATURE, ""), expected):
            raise _unsigned(f"the header {SIGNATURE} has no signature that is valid for this request")
        if abs(time.time() - int(timestamp)) > self._tolerance:
            raise _unsigned(f"the request was signed more than {format_duration(self._tolerance)} from now")
        return Signed(key, sha256(f"{self._route} {key}".encode()).hexdigest()[:32])

    def _signatures(self, content: bytes) -> Sequence[bytes]:
        """The valid ones, one for each secret: a secret is exchanged by having two for a while."""
        return [b64encode(hmac.digest(secret, content, "sha256")) for secret in self._secrets]


def _is_any(header: str, expected: Sequence[bytes]) -> bool:
    """Whether one of the signatures in `header` is one of `expected`. How long a wrong one takes says
    nothing of these."""
    given = [one.removeprefix(_VERSION) for one in header.split(" ") if one.startswith(_VERSION)]
    return any(hmac.compare_digest(one.encode(errors="replace"), valid) for one in given for valid in expected)


def _unsigned(detail: str) -> TurnedAway:
    return TurnedAway(problem(401, detail, headers=_HEADERS))
