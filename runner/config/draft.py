"""A document → a pipeline, as far as it can be read.

Skips what breaks the grammar and reads the rest, so that everything that is wrong with a
file can be reported at once. Each larger section of the file has a module of its own in `sections`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from runner.brokers import registry
from runner.config import grammar
from runner.config.sections.http import http
from runner.config.sections.publish import key_at
from runner.config.sections.stages import stages
from runner.config.sections.values import LONGEST_KEEP, Values, WrittenRoute, given
from runner.config.sections.watching import alerts, console, mailbox
from runner.config.yaml.document import Document
from runner.errors import Problem, Trail
from runner.ledger import url as ledger_url
from runner.message import Destination
from runner.pipeline import Binding, Exchange, Health, Pipeline, Queue
from runner.privacy.keyset import keys_file

T = TypeVar("T")

_DEFAULTS = Pipeline("", Path())


@dataclass(slots=True)
class Draft:
    """A pipeline that may have gaps. `routes` maps the trail of each stage or HTTP route to
    its `publish`."""

    document: Document
    pipeline: Pipeline
    routes: Mapping[Trail, tuple[WrittenRoute, ...]]
    problems: list[Problem] = field(default_factory=list)
    has_gaps: bool = False
    """Whether a value is missing that says which queue leads where."""

    def destinations(self) -> Iterator[tuple[Trail, Destination, Trail]]:
        """Each destination: who publishes to it (a trail), the destination, and where it is written."""
        for owner, routes in self.routes.items():
            yield from ((owner, *one) for route in routes for one in route.to)


def draft_pipeline(document: Document, file: Path, invalid: frozenset[Trail]) -> Draft:
    """The pipeline in `document`, without the values that `invalid` leads to."""
    values = Values(document, file, invalid)

    def given_part(name: str, read: Callable[[Values], T]) -> T | None:
        return read(values) if values.value((name,)) is not None else None

    pipeline = Pipeline(
        name=values.value(("name",)) or file.stem,
        file=file,
        broker=_broker(values),
        ledger=_ledger(values),
        broker_variable=values.variable(("broker",)),
        queues={name: _queue(values, ("queues", name)) for name in values.entries(("queues",))},
        stages=stages(values),
        exchanges={name: _exchange(values, ("exchanges", name)) for name in values.entries(("exchanges",))},
        http=given_part("http", http),
        mailbox=given_part("mailbox", mailbox),
        health=given_part("health", lambda values: Health(**given(listen=values.listen("health")))),
        console=given_part("console", console),
        alerts=given_part("alerts", alerts),
        keys=values.parsed(("keys",), lambda text: keys_file(text, file.parent)),
        **given(
            production=values.value(("production",)),
            shutdown_timeout=values.duration(("shutdown_timeout",), 0.0, 3600.0),
            ledger_keep=values.duration(("ledger", "keep"), 60.0, LONGEST_KEEP),
        ),
    )
    return Draft(document, pipeline, values.routes, values.problems, values.has_gaps)


def _broker(values: Values) -> tuple[str, ...]:
    trail: Trail = ("broker",)
    if values.document.node(trail) is None:
        [default] = _DEFAULTS.broker
        return _urls(values, trail, default)
    written = values.value(trail)
    if not isinstance(written, list):
        return _urls(values, trail, written)
    urls = [_urls(values, (*trail, index), text) for index, text in enumerate(written)]
    first = next((one[0] for one in urls if one), "")
    for index, one in enumerate(urls):
        if len(urls) > 1 and one and (message := registry.misfit(one[0], beside=first)):
            values.problem((*trail, index), message)
    return tuple(url for one in urls for url in one)


def _urls(values: Values, trail: Trail, text: str | None) -> tuple[str, ...]:
    node = values.document.node(trail)
    if text is None or trail in values.invalid or (node is not None and node.broken):
        return ()
    try:
        return registry.parse(text, values.file.parent)
    except ValueError as error:
        values.problem(trail, f"{grammar.subject(trail)} {error}")
        return ()


def _ledger(values: Values) -> str | None:
    trail: Trail = ("ledger", "url") if isinstance(values.value(("ledger",)), dict) else ("ledger",)
    return values.parsed(trail, lambda text: ledger_url.parse(text, values.file.parent))


def _exchange(values: Values, trail: Trail) -> Exchange:
    return Exchange(str(trail[-1]), values.wiring((*trail, "type"), needed=True) or "fanout")


def _queue(values: Values, trail: Trail) -> Queue:
    schema = values.value((*trail, "schema"))
    limits = {name: values.whole((*trail, name)) for name in ("max_length", "delivery_limit")}
    bindings = tuple(_binding(values, (*trail, "bind", i)) for i in values.indexes((*trail, "bind")))
    return Queue(
        str(trail[-1]),
        None if schema is None else values.path(schema),
        bind=bindings,
        **given(**{name: values.value((*trail, name)) for name in ("type", "external", "was")}, **limits),
    )


def _binding(values: Values, trail: Trail) -> Binding:
    exchange = values.wiring((*trail, "exchange"), needed=True)
    return Binding(exchange or "", key_at(values, (*trail, "key")))
