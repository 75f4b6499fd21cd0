"""The intake as an OpenAPI 3.1 document: its routes, their bodies, and every answer.

Made from the same routes and schemas that requests are judged by, when it is first asked for.
Left out: health, which is told to operators and not to clients (see `health`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import orjson
from flask import Response

from runner.config.loader import LoadedPipeline
from runner.headers import LONGEST_VALUE
from runner.intake.register import LONGEST_KEY, PARAMETERS
from runner.intake.signatures import ID, SIGNATURE, TIMESTAMP
from runner.intake.status import OUTCOMES
from runner.intake.waiting import LONGEST
from runner.pipeline import HttpRoute, Route
from runner.topology import plan
from runner.units import format_duration, format_size
from runner.validation.bundling import Bundle
from runner.validation.schema import Schema

PATH = "/openapi.json"
_QUOTED = rf'"([ !#-\[\]-~]|\\["\\]){{1,{LONGEST_KEY}}}"{PARAMETERS}'
_KEY_TEXT = rf"^({_QUOTED}|[!#-+\--:<-~]{{1,{LONGEST_KEY}}})$"  # as `register` reads it
_ID = {"type": "string", "minLength": 1}
_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}
_SECONDS = {"type": "integer", "minimum": 0}
REFUSED_JSON = "has a name twice in an object, or a whole number of more than 64 bits"
"""No schema can say this of a text, and parsers disagree about it (see `json_text`)."""

Document = dict[str, Any]

PROBLEM: Document = {
    "description": "An error (RFC 9457). It repeats nothing that was sent.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "errors": {
            "description": "What is wrong, each with a JSON Pointer into the body.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": _TEXT, "detail": _TEXT},
            },
        },
    },
}
ACCEPTED: Document = {
    "description": "The message is stored.",
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": _ID, "status": {"const": "accepted"}},
}
STATUS: Document = {
    "description": "How a message stands.",
    "type": "object",
    "required": ["id", "status", "accepted_at", "changed_at", "recorded", "stages"],
    "properties": {
        "id": _ID,
        "status": {"enum": ["accepted", "in progress", "waiting", "done", "dead", "dropped"]},
        "accepted_at": _TIME,
        "changed_at": _TIME,
        "recorded": {"description": "What stages have recorded of it.", "type": "object"},
        "stages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["stage", "queue", "outcome", "attempts", "published_at", "changed_at"],
                "properties": {
                    "stage": {"type": ["string", "null"]},
                    "queue": _TEXT,
                    "outcome": {"enum": list(OUTCOMES.values())},
                    "attempts": {"type": "integer", "minimum": 0},
                    "published_at": _TIME,
                    "changed_at": _TIME,
                    "next_attempt_at": _TIME,
                    "id": _ID,
                    "error": _TEXT,
                },
            },
        },
    },
}


class OpenApiView:
    """One of Flask's view functions."""

    def __init__(self, loaded: LoadedPipeline) -> None:
        self._loaded = loaded

    def __call__(self) -> Response:
        return Response(self._document, mimetype="application/json")

    @cached_property
    def _document(self) -> bytes:
        return orjson.dumps(openapi(self._loaded), option=orjson.OPT_INDENT_2)


def openapi(loaded: LoadedPipeline) -> Document:
    """The document for a pipeline with an intake."""
    http = loaded.pipeline.http
    assert http is not None, "the pipeline has no http section"
    bundle = Bundle({"Problem": PROBLEM, "Accepted": ACCEPTED, "Status": STATUS})
    paths, names = dict[str, Document](), _Names()
    told = {route.status: names.of("get", route.status) for route in http.routes if route.status is not None}
    for route in http.routes:
        posted = _Posted(loaded, route, bundle, told.get(route.status or ""))
        paths.setdefault(route.path, {})[route.method.lower()] = posted.operation(names.of(route.method, route.path))
    for status, name in told.items():
        routes = [route for route in http.routes if route.status == status]
        paths.setdefault(status, {})["get"] = _status(name, routes)
    components: Document = {"schemas": bundle.schemas}
    if any(route.auth != "off" for route in http.routes):
        components["securitySchemes"] = {"apiKey": {"type": "http", "scheme": "bearer"}}
    described: Document = {"paths": paths, "components": components}
    version = sha256(orjson.dumps(described)).hexdigest()[:12]  # another one whenever the intake takes anything else
    return {"openapi": "3.1.0", "info": {"title": loaded.pipeline.name, "version": version}, **described}


class _Names:
    """Names of operations, each only once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def of(self, method: str, path: str) -> str:
        name = "_".join([method.lower(), *re.findall(r"[A-Za-z0-9]+", path)])
        while name in self._given:
            name += "_"
        self._given.add(name)
        return name


class _Posted:
    """One route of the intake. `told` is the operation that tells how its messages stand."""

    def __init__(self, loaded: LoadedPipeline, route: HttpRoute, bundle: Bundle, told: str | None) -> None:
        assert loaded.pipeline.http is not None
        self._http = loaded.pipeline.http
        self._loaded = loaded
        self._route = route
        self._bundle = bundle
        self._told = told

    def operation(self, name: str) -> Document:
        content = {"application/json": {"schema": self._body()}}
        found: Document = {
            "operationId": name,
            "requestBody": {"required": True, "content": content},
            "responses": {status: self._limited(answer) for status, answer in self._answers()},
        }
        if parameters := list(self._parameters()):
            found["parameters"] = parameters
        return found | _security([self._route])

    def _body(self) -> Document | bool:
        """A body is published by the first route whose `when` it satisfies."""
        routes = self._route.publish
        if len(routes) == 1:
            return self._published(routes[0], [])
        return {"anyOf": [self._published(route, routes[:number]) for number, route in enumerate(routes)]}

    def _published(self, route: Route, before: Sequence[Route]) -> Document | bool:
        topology = plan(self._loaded.pipeline)
        queues = dict.fromkeys(queue for to in route.to for queue in topology.queues_of(to))
        known = self._loaded.schemas
        schemas = [self._bundle.add(known[queue], queue) for queue in queues if queue in known]
        all_of: list[Document] = [*schemas, *([self._when(route)] if route.when not in (None, True) else [])]
        if before:
            all_of.append({"not": {"anyOf": [self._when(one) for one in before]}})
        if not all_of:
            return True
        return all_of[0] if len(all_of) == 1 else {"allOf": all_of}

    def _when(self, route: Route) -> Document:
        assert route.when is not None, "a route without a condition is the last one that is reached"
        return self._bundle.add(Schema(route.when, base=self._loaded.pipeline.folder), "when")

    def _parameters(self) -> Iterator[Document]:
        if self._route.idempotency != "off" and self._route.verify is None:
            schema = {"type": "string", "pattern": _KEY_TEXT}
            required = self._route.idempotency == "required"
            yield {"name": "Idempotency-Key", "in": "header", "required": required, "schema": schema}
        if self._route.status is not None:
            text = f"wait=5 waits so many seconds for the end of the message, at most {LONGEST} (RFC 7240)."
            yield {"name": "Prefer", "in": "header", "description": text, "schema": _TEXT}
        for name in self._route.headers:
            travels = {"type": "string", "pattern": "^[ -~]*$", "maxLength": LONGEST_VALUE}
            yield {"name": name, "in": "header", "description": "Travels with the message.", "schema": travels}
        if self._route.verify is not None:
            for name in (ID, TIMESTAMP, SIGNATURE):
                yield {"name": name, "in": "header", "required": True, "schema": _TEXT}

    def _answers(self) -> Iterator[tuple[str, Document]]:
        route, http = self._route, self._http
        if route.status is not None:
            yield "200", self._final()
        yield "202", self._accepted()
        yield "400", _problem(f"The body isn't JSON, or {REFUSED_JSON}; or a header can't be read.")
        if route.knows_callers:
            yield "401", _problem("Nobody who is known here has sent this.", _header("WWW-Authenticate", _TEXT))
        yield "408", _problem(f"The body has not arrived within {format_duration(http.request_timeout)}.")
        if route.idempotency != "off" or route.verify is not None:
            yield "409", _problem("Another request with this key is being answered.", _header("Retry-After", _SECONDS))
        yield "413", _problem(f"The body is larger than {format_size(http.max_body)}.")
        yield "415", _problem("The body isn't declared as JSON in UTF-8, or is compressed.")
        yield "422", _problem("The body breaks its schema, or its key was used with another one.")
        if route.rate_limit is not None:
            yield "429", _problem("This caller has sent too many requests.", _header("Retry-After", _SECONDS))
        yield "503", _problem("Nothing is stored now; send it again.", _header("Retry-After", _SECONDS))

    def _accepted(self) -> Document:
        found: Document = {
            "description": "The message is stored.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}},
        }
        headers: Document = {}
        if self._told is not None:
            headers |= _header("Location", _TEXT) | _header("Preference-Applied", _TEXT)
            parameters = {"id": "$response.body#/id"}
            found["links"] = {"status": {"operationId": self._told, "parameters": parameters}}
        if self._route.idempotency != "off" or self._route.verify is not None:
            headers |= _header("Idempotent-Replayed", {"const": "true"})
        return found | ({"headers": headers} if headers else {})

    def _final(self) -> Document:
        """The answer to who prefers to wait."""
        return self._accepted() | {
            "description": "The message is stored, and has reached its end while its sender waited.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}},
        }

    def _limited(self, answer: Document) -> Document:
        if self._route.rate_limit is None:
            return answer
        headers = _header("RateLimit", _TEXT) | _header("RateLimit-Policy", _TEXT)
        return answer | {"headers": answer.get("headers", {}) | headers}


def _status(name: str, routes: Sequence[HttpRoute]) -> Document:
    told = {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}}
    headers = _header("ETag", _TEXT) | _header("Retry-After", _SECONDS)
    answers = {
        "200": {"description": "How the message stands.", "headers": headers, "content": told},
        "304": {"description": "It stands as it did.", "headers": _header("ETag", _TEXT)},
        "404": _problem("Nothing is known of such a message."),
        "503": _problem("The ledger is away.", _header("Retry-After", _SECONDS)),
    }
    security = _security(routes)
    if security:
        answers["401"] = _problem("Nobody who is known here has sent this.", _header("WWW-Authenticate", _TEXT))
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": _ID},
        {"name": "If-None-Match", "in": "header", "schema": _TEXT},
    ]
    return {"operationId": name, "parameters": parameters, "responses": answers} | security


def _security(routes: Sequence[HttpRoute]) -> Document:
    return {"security": [{"apiKey": []}]} if any(route.auth != "off" for route in routes) else {}


def _problem(description: str, headers: Document | None = None) -> Document:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})


def _header(name: str, schema: Document) -> Document:
    return {name: {"schema": schema}}
