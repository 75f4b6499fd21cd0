"""The answers and their words: 202, 400, 413, 422, 503 and the others. All but a 202 are problems
as in RFC 9457, and never repeat what was sent.

Left out: the `errors` of a 422, one for each violation of a schema (see `runner.validation.violations`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from runner.errors import BrokerAwayError, BrokerError, BrokerUnavailableError, KeysError
from runner.message import Outgoing
from runner.pipeline import Http
from runner.privacy.masking import mask
from runner.routing import Reason, Refusal
from runner.units import format_duration, format_size
from runner.validation.violations import Violation
from runner.wording import facts

log = logging.getLogger("runner.intake")

RETRY_AFTER = 5
"""Seconds that a client is asked to wait when the broker can't take its message."""
_NEW_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 calls them, and Python from 3.13 on: the same answer on every version."""


def answer(status: int, document: Mapping[str, Any]) -> Response:
    """A JSON document as an answer."""
    return Response(_json(document), status, mimetype="application/json")


def _json(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document) + b"\n"


def accepted(messages: Sequence[Outgoing]) -> bytes:
    """The body of a 202."""
    return b'{"id":"%b","status":"accepted"}\n' % messages[0].id.encode()


# -- Problems -----------------------------------------------------------------------------


class ProblemResponse(Response):
    """A problem as an answer, with its `reason` for the operator."""

    reason: str


class TurnedAway(Exception):
    """A request that is refused, with the answer to it."""

    def __init__(self, problem: ProblemResponse) -> None:
        super().__init__(problem.status)
        self.problem = problem


def problem(
    status: int,
    detail: str,
    *,
    errors: Sequence[Violation] = (),
    headers: Mapping[str, str] | None = None,
    reason: str = "",
) -> ProblemResponse:
    """An error as RFC 9457 has it; `errors` point into the body (RFC 6901). `reason` is what
    an operator wants to know instead of `detail`."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": _NEW_TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": mask(detail),
    }
    if errors:
        document["errors"] = [{"pointer": mask(error.pointer), "detail": mask(error.detail)} for error in errors]
    found = ProblemResponse(_json(document), status, headers, "application/problem+json")
    found.reason = mask(reason or detail)
    return found


def refused(refusal: Refusal) -> ProblemResponse:
    """The answer to a body that can't be published: 400 or 422."""
    if refusal.reason is Reason.NOT_JSON:
        return problem(400, f"the body is not JSON: {refusal.detail}")
    if refusal.reason is Reason.NO_ROUTE:
        return problem(422, "the body matches none of the routes that this address publishes to")
    return problem(422, "the body breaks its schema", errors=refusal.violations)


def unavailable(error: BrokerError) -> ProblemResponse:
    """The answer when the broker has not taken a message: 503."""
    detail = "the message was not taken; send it again later"
    if isinstance(error, BrokerUnavailableError) and not isinstance(error, BrokerAwayError):
        detail = "the broker has not confirmed the message (it may still have been stored); send it again later"
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)}, reason=str(error))


def without_keys(error: KeysError) -> ProblemResponse:
    """The answer when a message can't be sealed: 503."""
    detail = "the message can't be sealed now; send it again later"
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)}, reason=str(error))


def ledger_away(reason: str) -> TurnedAway:
    """The refusal of a request that the ledger would have to remember."""
    headers = {"Retry-After": str(RETRY_AFTER)}
    detail = "the message was not taken; send it again later"
    return TurnedAway(problem(503, detail, headers=headers, reason=f"the ledger is away: {reason}"))


def internal_error(error: Exception, method: str, path: str) -> ProblemResponse:
    """The answer to a request on which we failed; the error goes to the log."""
    told = facts(method=method, path=path, error=type(error).__name__, reason=error)
    log.error("internal error on %s %s: %s", method, path, mask(repr(error)), exc_info=error, extra=told)
    return problem(500, "an internal error; it has been logged")


def too_large(http: Http) -> ProblemResponse:
    """The answer to a body over the limit."""
    return problem(413, f"the body is larger than {format_size(http.max_body)}")


def overfull(http: Http) -> ProblemResponse:
    """The answer to a body for which there is no room beside those of other requests: 503."""
    detail = f"the bodies of all requests are larger than {format_size(http.max_bodies)}; send it again later"
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)})


def slow(http: Http) -> ProblemResponse:
    """The answer to a body that doesn't arrive in time; it ends the connection."""
    detail = f"the body has not arrived within {format_duration(http.request_timeout)}"
    return problem(408, detail, headers={"Connection": "close"})


def stopping() -> ProblemResponse:
    """The answer to a request that hasn't arrived when the intake stops."""
    return come_again("the intake is stopping; send it again")


def crowded(connections: int) -> ProblemResponse:
    """The answer to a request on a connection beyond the limit."""
    return come_again(f"the intake has {connections} connections, and takes no more; send it again later")


def stuck() -> ProblemResponse:
    """The answer to a question for health while the event loop is stuck."""
    return problem(503, "the intake's event loop is stuck")


def come_again(detail: str) -> ProblemResponse:
    """503 on a connection that ends with it."""
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER), "Connection": "close"})


def http_error(error: HTTPException, http: Http) -> ProblemResponse:
    """The answer to a request that Flask or Werkzeug refuses."""
    status = error.code or 500
    if status == 413:
        return too_large(http)
    if status == 404:
        return problem(404, f"nothing is served here; the routes are {', '.join(map(str, http.routes))}")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        allowed = ", ".join(sorted(error.valid_methods))
        return problem(405, f"this address takes {allowed}", headers={"Allow": allowed})
    return problem(status, str(error.description or "the request can't be read"))
