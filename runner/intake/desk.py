"""Where the bodies of one route are checked, and turned into messages.

Left out: reading a request, and answering it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from flask import Response

from runner.config.loader import LoadedPipeline
from runner.errors import BrokerError
from runner.intake import problems
from runner.message import Outgoing, new_id
from runner.pipeline import HttpRoute
from runner.routing import Refusal, Router
from runner.topology import plan

log = logging.getLogger("runner.intake")

LOG_EVERY = 5.0
"""Seconds between log lines about requests that were turned away."""


class TurnedAway(Exception):
    """A request that is not taken, with the answer to it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Desk:
    """One method and path of the intake."""

    def __init__(self, route: HttpRoute, loaded: LoadedPipeline) -> None:
        self._router = Router(route.publish, plan(loaded.pipeline), loaded.schemas)
        self._logged = 0.0

    @staticmethod
    def check_type(content_type: str, encoding: str) -> None:
        """Raises TurnedAway for what doesn't call itself JSON, or is packed (`encoding`)."""
        if not _is_json(content_type):
            detail = "send the body as JSON, with the header Content-Type: application/json"
            raise TurnedAway(problems.problem(415, detail))
        if encoding not in ("", "identity"):
            raise TurnedAway(problems.problem(415, "send the body as it is, without the header Content-Encoding"))

    def messages(self, body: bytes) -> Sequence[Outgoing]:
        """What is to be published for a body. Raises TurnedAway."""
        routed = self._router.route_text(body, new_id())
        if isinstance(routed, Refusal):
            raise TurnedAway(problems.refused(routed))
        return routed

    def unavailable(self, error: BrokerError) -> Response:
        """The answer where the broker has not taken it."""
        now = time.monotonic()
        if now - self._logged > LOG_EVERY:  # under load, a line for each request would say no more
            self._logged = now
            log.warning("answering 503: %s", error)
        return problems.unavailable(error)


def _is_json(content_type: str) -> bool:
    """`application/json`, or one that is built on it (RFC 6839)."""
    if content_type == "application/json":
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
