"""`publish` of a stage or of an HTTP route: its routes, and where each destination is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner.config.sections.formats import routing_key
from runner.config.sections.values import Values, WrittenRoute
from runner.errors import Trail
from runner.message import Destination
from runner.pipeline import JsonSchema, Route
from runner.validation.schema import file_uri


def publish(values: Values, owner: Trail) -> tuple[Route, ...]:
    """The routes of a stage or an HTTP route."""
    routes = tuple(_written(values, owner))
    values.routes[owner] = routes
    return tuple(written.route for written in routes)


def _written(values: Values, owner: Trail) -> Iterator[WrittenRoute]:
    trail = (*owner, "publish")
    value = values.wiring(trail, needed=owner[0] == "http")
    if isinstance(value, str):
        yield WrittenRoute(trail, ((Destination("", value), trail),))
    indexes = list(values.indexes(trail)) if isinstance(value, list) else []
    if any(isinstance(value[index], dict) for index in indexes):
        yield from (_route(values, (*trail, index)) for index in indexes)
    elif indexes:
        yield WrittenRoute(trail, tuple((Destination("", value[i]), (*trail, i)) for i in indexes))


def _route(values: Values, trail: Trail) -> WrittenRoute:
    to = (*trail, "to")
    value = values.wiring(to, needed=True)
    trails: list[Trail] = [(*to, i) for i in values.indexes(to)] if isinstance(value, list) else [to]
    destinations = tuple((_destination(values, one), one) for one in trails if values.value(one) is not None)
    return WrittenRoute(trail, destinations, _when(values, (*trail, "when")))


def _when(values: Values, trail: Trail) -> JsonSchema | None:
    """A `$ref` in it is relative to the file, wherever it is compiled."""
    when = values.value(trail)
    if isinstance(when, dict) and "$id" not in when and _refers_to_file(when):
        return {"$id": file_uri(values.file), **when}
    return when if isinstance(when, (dict, bool)) else None


def _destination(values: Values, trail: Trail) -> Destination:
    value = values.value(trail)
    if isinstance(value, str):
        return Destination("", value)
    exchange = values.wiring((*trail, "exchange"), needed=True)
    return Destination("", "") if exchange is None else Destination(exchange, key_at(values, (*trail, "key")))


def key_at(values: Values, trail: Trail) -> str:
    """The key of a binding or a destination, which decides where messages go."""
    key = None if values.wiring(trail) is None else values.parsed(trail, routing_key)
    values.has_gaps |= key is None and values.document.node(trail) is not None
    return key or ""


def _refers_to_file(schema: Any) -> bool:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        is_file = isinstance(reference, str) and not reference.startswith("#")
        return is_file or any(_refers_to_file(value) for value in schema.values())
    return isinstance(schema, list) and any(_refers_to_file(value) for value in schema)
