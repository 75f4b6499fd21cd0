"""Checks the bodies of one route, and turns them into messages.

Left out: reading a request, and answering it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from werkzeug.http import parse_options_header

from runner.config.loader import LoadedPipeline
from runner.errors import KeysError
from runner.headers import PREFIX, on_the_wire
from runner.intake import problems
from runner.intake.gate import Gate
from runner.intake.problems import TurnedAway
from runner.intake.register import Register
from runner.intake.signatures import Signatures
from runner.message import NO_HEADERS, Outgoing, new_id
from runner.pipeline import HttpRoute
from runner.routing import Refusal, Router
from runner.stamps import Sampler
from runner.topology import plan
from runner.traces import TRACEPARENT, TRACING

if TYPE_CHECKING:
    from runner.ledger.apikeys import KeyRing
    from runner.ledger.ledger import Ledger


class Desk:
    """One method and path of the intake."""

    def __init__(
        self, route: HttpRoute, loaded: LoadedPipeline, ledger: Ledger | None = None, ring: KeyRing | None = None
    ) -> None:
        self.route = str(route)
        """As in the file: `POST /make-payment`."""
        self._router = Router(route.publish, plan(loaded.pipeline), loaded.schemas, loaded.sealer)
        self.signatures = None if route.verify is None else Signatures(route, route.verify)
        """None if requests need no signature."""
        self.gate: Gate | None = None
        """None if anybody may post, however often."""
        self.register: Register | None = None
        """None if the ledger has nothing to do with it."""
        self.tells = ledger is not None and route.status is not None
        """Whether a client may wait for the end of its message."""
        self._sampler = Sampler() if loaded.pipeline.is_watched else None
        """None: nobody wants to know how long messages take."""
        self.carries = route.headers
        """Names of the headers that travel with a request's messages."""
        if ledger is not None and route.uses_ledger and loaded.pipeline.http is not None:
            if route.auth != "off" or route.rate_limit is not None:
                self.gate = Gate(route, ledger, ring if route.auth != "off" else None)
            timeout = loaded.pipeline.http.confirm_timeout
            self.register = Register(route, ledger, loaded.pipeline, timeout, loaded.sealer)

    def traceparent(self, read: Callable[[str], str | None]) -> str | None:
        """The span of a request's sender, where it travels; `read` is as for `carried`."""
        name = TRACEPARENT.removeprefix(PREFIX)
        return read(name) if name in map(str.lower, self.carries) else None

    @staticmethod
    def check_type(content_type: str, encoding: str) -> None:
        """Raises TurnedAway for a body that isn't declared as JSON in UTF-8, or is compressed (`encoding`)."""
        if content_type != "application/json" and (detail := _fault(content_type)):
            raise TurnedAway(problems.problem(415, detail))
        if encoding not in ("", "identity"):
            raise TurnedAway(problems.problem(415, "send the body as it is, without the header Content-Encoding"))

    def carried(self, read: Callable[[str], str | None]) -> Mapping[str, str]:
        """The headers that travel, as their messages have them; `read` gives the value of the one with
        a name in lower case. Raises TurnedAway."""
        found = ((name, read(name.lower())) for name in self.carries)
        try:
            return dict(on_the_wire(name, value) for name, value in found if value is not None)
        except ValueError as error:
            raise TurnedAway(problems.problem(400, str(error))) from None

    def messages(self, body: bytes, id: str = "", headers: Mapping[str, Any] = NO_HEADERS) -> Sequence[Outgoing]:
        """The messages to publish for a body, under `id` or a fresh one. Raises TurnedAway."""
        if headers or TRACING.starts is not None:
            headers = TRACING.entered(headers)
        if self._sampler is not None:
            headers = self._sampler.stamped(headers)
        try:
            routed = self._router.route_text(body, id or new_id(), headers)
        except KeysError as error:
            raise TurnedAway(problems.without_keys(error)) from None
        if isinstance(routed, Refusal):
            raise TurnedAway(problems.refused(routed))
        return routed


def _fault(content_type: str) -> str:
    """What is wrong with a type, for the sender; empty for `application/json`, or a type based on
    it (RFC 6839), in UTF-8, the only encoding of JSON (RFC 8259, section 8.1)."""
    kind, parameters = parse_options_header(content_type)
    kind = kind.lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        return "send the body as JSON, with the header Content-Type: application/json"
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        return "send the body in UTF-8, with the header Content-Type: application/json"
    return ""
