"""Checks the bodies of one route, and turns them into messages.

Left out: reading a request, and answering it.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.config.loader import LoadedPipeline
from runner.errors import KeysError
from runner.intake import problems
from runner.intake.problems import ProblemResponse
from runner.message import Outgoing, new_id
from runner.pipeline import HttpRoute
from runner.routing import Refusal, Router
from runner.topology import plan


class TurnedAway(Exception):
    """A request that is refused, with the answer to it."""

    def __init__(self, problem: ProblemResponse) -> None:
        super().__init__(problem.status)
        self.problem = problem


class Desk:
    """One method and path of the intake."""

    def __init__(self, route: HttpRoute, loaded: LoadedPipeline) -> None:
        self.route = str(route)
        """As in the file: `POST /make-payment`."""
        self._router = Router(route.publish, plan(loaded.pipeline), loaded.schemas, loaded.sealer)

    @staticmethod
    def check_type(content_type: str, encoding: str) -> None:
        """Raises TurnedAway for a body that isn't declared as JSON, or is compressed (`encoding`)."""
        if content_type != "application/json" and not _is_json(content_type):
            detail = "send the body as JSON, with the header Content-Type: application/json"
            raise TurnedAway(problems.problem(415, detail))
        if encoding not in ("", "identity"):
            raise TurnedAway(problems.problem(415, "send the body as it is, without the header Content-Encoding"))

    def messages(self, body: bytes) -> Sequence[Outgoing]:
        """The messages to publish for a body. Raises TurnedAway."""
        try:
            routed = self._router.route_text(body, new_id())
        except KeysError as error:
            raise TurnedAway(problems.without_keys(error)) from None
        if isinstance(routed, Refusal):
            raise TurnedAway(problems.refused(routed))
        return routed


def _is_json(content_type: str) -> bool:
    """`application/json`, or a type based on it (RFC 6839)."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
