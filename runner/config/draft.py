"""A document → a pipeline, as far as it can be read.

Skips what breaks the grammar and reads the rest, so that everything that is wrong with a
file can be reported at once.
"""

from __future__ import annotations

import dataclasses
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from runner.brokers import registry
from runner.config import grammar
from runner.config.yaml.document import Document
from runner.errors import Problem, Trail
from runner.headers import check_name
from runner.hosts import read_host
from runner.ledger import url as ledger_url
from runner.message import Destination
from runner.paths import check_path
from runner.pipeline import (
    DEFAULT_RETRY,
    PREFETCH_ONCE,
    RECONCILE,
    Address,
    AlertMail,
    Alerts,
    Binding,
    Breaker,
    Console,
    ConsoleToken,
    Exchange,
    Health,
    Http,
    HttpRoute,
    JsonSchema,
    Mailbox,
    Pipeline,
    Queue,
    RateLimit,
    Route,
    Stage,
    Tls,
    Verify,
    Webhook,
)
from runner.privacy.keyset import keys_file
from runner.units import format_duration, format_size, parse_duration, parse_rate, parse_size
from runner.validation.schema import file_uri

T = TypeVar("T")

_DEFAULTS = Pipeline("", Path())
LONGEST_KEY = 255
"""Bytes (AMQP 0-9-1, section 4.2.5.3)."""
LONGEST_WAIT = 30 * 86_400.0
"""Seconds. RabbitMQ's limit of a time-to-live is 2^32 ms, some 49 days."""
LONGEST_KEEP = 3660 * 86_400.0
"""Seconds."""
OFF = "off"
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SHORTEST_SECRET = 24
"""Bytes, as Standard Webhooks asks for."""
LARGEST_BODY = 16 << 20
"""Bytes. RabbitMQ 4 takes no larger message unless it is configured to."""


@dataclass(frozen=True, slots=True)
class WrittenRoute:
    """A route of a `publish`, and its place."""

    trail: Trail
    to: tuple[tuple[Destination, Trail], ...]
    when: JsonSchema | None = None

    @property
    def route(self) -> Route:
        return Route(tuple(destination for destination, _ in self.to), self.when)


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
    return _Reader(document, file, invalid).draft()


class _Reader:
    def __init__(self, document: Document, file: Path, invalid: frozenset[Trail]) -> None:
        self._document = document
        self._file = file
        self._invalid = invalid
        self._problems: list[Problem] = []
        self._routes: dict[Trail, tuple[WrittenRoute, ...]] = {}
        self._has_gaps = False
        self._default_retry = self._retry(("defaults", "retry"))

    def draft(self) -> Draft:
        pipeline = Pipeline(
            name=self._value(("name",)) or self._file.stem,
            file=self._file,
            broker=self._broker(),
            ledger=self._ledger(),
            broker_variable=self._variable(("broker",)),
            queues={name: self._queue(("queues", name)) for name in self._entries(("queues",))},
            stages={name: self._stage(("stages", name)) for name in self._entries(("stages",))},
            exchanges={name: self._exchange(("exchanges", name)) for name in self._entries(("exchanges",))},
            http=self._http() if self._value(("http",)) is not None else None,
            mailbox=self._mailbox() if self._value(("mailbox",)) is not None else None,
            health=Health(**_given(listen=self._listen("health"))) if self._value(("health",)) is not None else None,
            console=self._console() if self._value(("console",)) is not None else None,
            alerts=self._alerts() if self._value(("alerts",)) is not None else None,
            keys=self._parsed(("keys",), lambda text: keys_file(text, self._file.parent)),
            **_given(
                production=self._value(("production",)),
                shutdown_timeout=self._duration(("shutdown_timeout",), 0.0, 3600.0),
                ledger_keep=self._duration(("ledger", "keep"), 60.0, LONGEST_KEEP),
            ),
        )
        return Draft(self._document, pipeline, self._routes, self._problems, self._has_gaps)

    # -- reading values

    def _value(self, trail: Trail) -> Any:
        """The value there, if the grammar allows it; else None."""
        node = self._document.node(trail)
        if node is None or node.broken or trail in self._invalid:
            return None
        return node.value

    def _variable(self, trail: Trail) -> str | None:
        """The variable that names all of the value there."""
        node = self._document.node(trail)
        return node.variable if node is not None else None

    def _wiring(self, trail: Trail, *, needed: bool = False) -> Any:
        """A value that says which queue leads where. If it can't be read, the draft has a gap."""
        value = self._value(trail)
        if value is None and (needed or self._document.node(trail) is not None):
            self._has_gaps = True
        return value

    def _entries(self, trail: Trail) -> Iterator[str]:
        """The names of the entries of a mapping that can be read."""
        node = self._document.node(trail)
        if node is not None and not isinstance(self._wiring(trail), dict):
            self._has_gaps = node.value is not None
            return
        for name, child in node.children.items() if node is not None else ():
            if (*trail, name) in self._invalid or child.broken:
                self._has_gaps = True
            else:
                yield str(name)

    def _parsed(self, trail: Trail, parse: Callable[[Any], T]) -> T | None:
        """The value there as `parse` reads it. Its ValueError becomes a problem."""
        value = self._value(trail)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            self._problem(trail, f"{grammar.subject(trail)} {error}")
            return None

    def _duration(self, trail: Trail, lowest: float, highest: float) -> float | None:
        def parse(value: Any) -> float:
            seconds = parse_duration(value)
            if not lowest <= seconds <= highest:
                bounds = f"from {format_duration(lowest)} to {format_duration(highest)}"
                raise ValueError(f"is {format_duration(seconds)}, but must be {bounds}")
            return round(seconds, 3)

        return self._parsed(trail, parse)

    def _problem(self, trail: Trail, message: str, *, key: bool = False) -> None:
        self._problems.append(self._document.problem(trail, message, key=key))

    def _path(self, text: str) -> Path:
        return self._file.parent / text

    # -- the parts

    def _broker(self) -> tuple[str, ...]:
        trail: Trail = ("broker",)
        if self._document.node(trail) is None:
            [default] = _DEFAULTS.broker
            return self._urls(trail, default)
        written = self._value(trail)
        if not isinstance(written, list):
            return self._urls(trail, written)
        urls = [self._urls((*trail, index), text) for index, text in enumerate(written)]
        first = next((one[0] for one in urls if one), "")
        for index, one in enumerate(urls):
            if len(urls) > 1 and one and (message := registry.misfit(one[0], beside=first)):
                self._problem((*trail, index), message)
        return tuple(url for one in urls for url in one)

    def _urls(self, trail: Trail, text: str | None) -> tuple[str, ...]:
        node = self._document.node(trail)
        if text is None or trail in self._invalid or (node is not None and node.broken):
            return ()
        try:
            return registry.parse(text, self._file.parent)
        except ValueError as error:
            self._problem(trail, f"{grammar.subject(trail)} {error}")
            return ()

    def _ledger(self) -> str | None:
        trail: Trail = ("ledger", "url") if isinstance(self._value(("ledger",)), dict) else ("ledger",)
        return self._parsed(trail, lambda text: ledger_url.parse(text, self._file.parent))

    def _http(self) -> Http:
        routes = self._entries(("http", "routes"))
        return Http(
            routes=tuple(self._http_route(route) for route in routes),
            tls=self._tls(("http", "tls")),
            **_given(
                listen=self._listen("http"),
                max_body=self._parsed(("http", "max_body"), _body_size),
                max_bodies=self._parsed(("http", "max_bodies"), parse_size),
                confirm_timeout=self._duration(("http", "confirm_timeout"), 0.001, 600.0),
                request_timeout=self._duration(("http", "request_timeout"), 0.1, 3600.0),
                max_connections=self._parsed(("http", "max_connections"), _whole),
            ),
        )

    def _http_route(self, route: str) -> HttpRoute:
        method, _, path = route.partition(" ")
        trail: Trail = ("http", "routes", route)
        written = self._value((*trail, "idempotency"))
        mode = self._value((*trail, "idempotency", "mode")) or "optional" if isinstance(written, dict) else written
        keep = self._duration((*trail, "idempotency", "keep"), 60.0, LONGEST_KEEP)
        given = _given(
            idempotency=mode,
            idempotency_keep=keep,
            status=self._value((*trail, "status")),
            auth=self._value((*trail, "auth")),
            rate_limit=self._parsed((*trail, "rate_limit"), lambda text: RateLimit(*parse_rate(text))),
            headers=tuple(self._header_names((*trail, "headers"))),
            find=tuple(self._texts((*trail, "find"))),
        )
        return HttpRoute(method, path, self._publish(trail), verify=self._verify((*trail, "verify")), **given)

    def _tls(self, trail: Trail) -> Tls | None:
        certificate, key = (self._parsed((*trail, name), self._file_at) for name in ("certificate", "key"))
        return None if certificate is None or key is None else Tls(certificate, key)

    def _file_at(self, text: str) -> Path:
        check_path(self._path(text), "file")
        return self._path(text)

    def _header_names(self, trail: Trail) -> Iterator[str]:
        seen: set[str] = set()
        for index in range(len(self._value(trail) or ())):
            name = self._parsed((*trail, index), check_name)
            if name is not None and name.lower() in seen:
                self._problem((*trail, index), f"{grammar.subject(trail)} names {name} twice; remove one")
            elif name is not None:
                seen.add(name.lower())
                yield name

    def _verify(self, trail: Trail) -> Verify | None:
        if self._value(trail) is None:
            return None
        written = self._value((*trail, "secrets")) or ()
        secrets = [self._parsed((*trail, "secrets", index), _secret) for index in range(len(written))]
        tolerance = self._duration((*trail, "tolerance"), 1.0, 86_400.0)
        return Verify(tuple(secret for secret in secrets if secret is not None), **_given(tolerance=tolerance))

    def _mailbox(self) -> Mailbox:
        written = _given(listen=self._listen("mailbox"), folder=self._parsed(("mailbox", "folder"), self._folder))
        mailbox = Mailbox(**written)
        return dataclasses.replace(mailbox, folder=self._file.parent / mailbox.folder)

    def _console(self) -> Console:
        tokens = tuple(self._token(("console", "tokens", name)) for name in self._entries(("console", "tokens")))
        return Console(tls=self._tls(("console", "tls")), tokens=tokens, **_given(listen=self._listen("console")))

    def _token(self, trail: Trail) -> ConsoleToken:
        roles = self._value((*trail, "roles"))
        given = _given(roles=None if roles is None else tuple(roles))
        return ConsoleToken(str(trail[-1]), self._value((*trail, "hash")) or "", **given)

    def _alerts(self) -> Alerts:
        waits = {
            name: self._duration(("alerts", name), 1.0, LONGEST_WAIT) for name in ("oldest", "paused", "not_ready")
        }
        dead = self._parsed(("alerts", "dead_letters"), _whole)
        return Alerts(dead_letters=dead, mail=self._alert_mail(), webhook=self._webhook(), **waits)

    def _alert_mail(self) -> AlertMail | None:
        if self._value(("alerts", "mail")) is None:
            return None
        to = tuple(self._texts(("alerts", "mail", "to")))
        return AlertMail(to, self._value(("alerts", "mail", "settings")) or {})

    def _webhook(self) -> Webhook | None:
        trail: Trail = ("alerts", "webhook")
        url = self._parsed((*trail, "url"), _http_url)
        return None if url is None else Webhook(url, self._parsed((*trail, "secret"), _secret))

    def _folder(self, text: str) -> Path:
        check_path(self._path(text), "folder")
        return Path(text)

    def _listen(self, part: str) -> Address | None:
        return self._parsed((part, "listen"), _address)

    def _exchange(self, trail: Trail) -> Exchange:
        return Exchange(str(trail[-1]), self._wiring((*trail, "type"), needed=True) or "fanout")

    def _queue(self, trail: Trail) -> Queue:
        schema = self._value((*trail, "schema"))
        limits = {name: self._parsed((*trail, name), _whole) for name in ("max_length", "delivery_limit")}
        bindings = tuple(self._binding((*trail, "bind", i)) for i in self._indexes((*trail, "bind")))
        return Queue(
            str(trail[-1]),
            None if schema is None else self._path(schema),
            bind=bindings,
            **_given(**{name: self._value((*trail, name)) for name in ("type", "external", "was")}, **limits),
        )

    def _binding(self, trail: Trail) -> Binding:
        exchange = self._wiring((*trail, "exchange"), needed=True)
        return Binding(exchange or "", self._key((*trail, "key")))

    def _indexes(self, trail: Trail) -> Iterator[int]:
        """The indexes of a list's items that can be read."""
        for index in range(len(self._wiring(trail) or ())):
            if self._wiring((*trail, index), needed=True) is not None:
                yield index

    # -- stages

    def _stage(self, trail: Trail) -> Stage:
        return Stage(
            name=str(trail[-1]),
            consume=self._wiring((*trail, "consume"), needed=True) or "",
            handler=self._value((*trail, "handler")) or "",
            settings=self._value((*trail, "settings")) or {},
            publish=self._publish(trail),
            reveal=tuple(self._texts((*trail, "reveal"))),
            find=tuple(self._texts((*trail, "find"))),
            retry=dataclasses.replace(DEFAULT_RETRY, **(self._default_retry | self._retry((*trail, "retry")))),
            **self._timeout(trail),
            **_given(
                concurrency=self._own_or_default(trail, "concurrency"),
                prefetch=self._prefetch(trail),
                breaker=self._breaker((*trail, "breaker")),
                once=self._value((*trail, "once")),
                on_unknown=self._value((*trail, "on_unknown")),
                key_lifetime=self._duration((*trail, "key_lifetime"), 1.0, LONGEST_KEEP),
                reconcile=self._reconcile((*trail, "reconcile")),
                settles=self._value((*trail, "settles")),
                record=self._record((*trail, "record")),
            ),
        )

    def _texts(self, trail: Trail) -> Iterator[str]:
        """Those of a list that can be read."""
        values = (self._value((*trail, index)) for index in range(len(self._value(trail) or ())))
        yield from (value for value in values if value is not None)

    def _timeout(self, stage: Trail) -> dict[str, Any]:
        """Nothing where the model's default holds."""
        own: Trail = (*stage, "timeout")
        trail = own if self._document.node(own) is not None else ("defaults", "timeout")
        if self._value(trail) == OFF:
            return {"timeout": None}
        return _given(timeout=self._duration(trail, 0.1, LONGEST_WAIT))

    def _record(self, trail: Trail) -> dict[str, str] | None:
        """Those entries that can be read."""
        written = self._value(trail)
        return (
            {name: text for name in written if isinstance(text := self._value((*trail, name)), str)}
            if written
            else None
        )

    def _reconcile(self, trail: Trail) -> tuple[float, ...] | None:
        written = self._value(trail)
        if not isinstance(written, list):
            return RECONCILE if written else None
        waits = (self._duration((*trail, index), 0.001, LONGEST_WAIT) for index in range(len(written)))
        return tuple(wait for wait in waits if wait is not None)

    def _prefetch(self, stage: Trail) -> int | None:
        given = self._own_or_default(stage, "prefetch")
        return PREFETCH_ONCE if given is None and self._value((*stage, "once")) else given

    def _own_or_default(self, stage: Trail, key: str) -> int | None:
        own = self._parsed((*stage, key), _whole)
        return own if own is not None else self._parsed(("defaults", key), _whole)

    def _retry(self, trail: Trail) -> dict[str, Any]:
        """The keys of a `retry` that are given."""
        waits = {key: self._duration((*trail, key), 0.001, LONGEST_WAIT) for key in ("delay", "max_delay")}
        return _given(
            attempts=self._parsed((*trail, "attempts"), _whole), factor=self._value((*trail, "factor")), **waits
        )

    def _breaker(self, trail: Trail) -> Breaker | None:
        if self._value(trail) is None:
            return None
        failures = self._parsed((*trail, "failures"), _whole)
        return Breaker(**_given(failures=failures, pause=self._duration((*trail, "pause"), 0.1, LONGEST_WAIT)))

    # -- publish

    def _publish(self, owner: Trail) -> tuple[Route, ...]:
        routes = tuple(self._written(owner))
        self._routes[owner] = routes
        return tuple(written.route for written in routes)

    def _written(self, owner: Trail) -> Iterator[WrittenRoute]:
        trail = (*owner, "publish")
        value = self._wiring(trail, needed=owner[0] == "http")
        if isinstance(value, str):
            yield WrittenRoute(trail, ((Destination("", value), trail),))
        indexes = list(self._indexes(trail)) if isinstance(value, list) else []
        if any(isinstance(value[index], dict) for index in indexes):
            yield from (self._route((*trail, index)) for index in indexes)
        elif indexes:
            yield WrittenRoute(trail, tuple((Destination("", value[i]), (*trail, i)) for i in indexes))

    def _route(self, trail: Trail) -> WrittenRoute:
        to = (*trail, "to")
        value = self._wiring(to, needed=True)
        trails: list[Trail] = [(*to, i) for i in self._indexes(to)] if isinstance(value, list) else [to]
        destinations = tuple((self._destination(one), one) for one in trails if self._value(one) is not None)
        return WrittenRoute(trail, destinations, self._when((*trail, "when")))

    def _when(self, trail: Trail) -> JsonSchema | None:
        """A `$ref` in it is relative to the file, wherever it is compiled."""
        when = self._value(trail)
        if isinstance(when, dict) and "$id" not in when and _refers_to_file(when):
            return {"$id": file_uri(self._file), **when}
        return when if isinstance(when, (dict, bool)) else None

    def _destination(self, trail: Trail) -> Destination:
        value = self._value(trail)
        if isinstance(value, str):
            return Destination("", value)
        exchange = self._wiring((*trail, "exchange"), needed=True)
        return Destination("", "") if exchange is None else Destination(exchange, self._key((*trail, "key")))

    def _key(self, trail: Trail) -> str:
        """The key of a binding or a destination, which decides where messages go."""
        key = None if self._wiring(trail) is None else self._parsed(trail, _key)
        self._has_gaps |= key is None and self._document.node(trail) is not None
        return key or ""


def _given(**values: Any) -> dict[str, Any]:
    """Those that are given; the others keep the model's defaults."""
    return {name: value for name, value in values.items() if value is not None}


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if int(port) > 65_535:
        raise ValueError(f"has the port {port}, but ports end at 65535")
    return Address(read_host(host), int(port))


def _whole(written: float) -> int:
    """The grammar accepts whole numbers written with a point or an exponent, as Helm does."""
    return int(written)


def _key(text: str) -> str:
    """A routing key is an AMQP short string."""
    if len(text.encode()) > LONGEST_KEY:
        raise ValueError(f"is {len(text.encode())} bytes long, and a key has at most {LONGEST_KEY}")
    return text


def _http_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.password or url.fragment:
        raise ValueError("must be an http:// or https:// URL without a user")
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("must be a URL in ASCII, without spaces")
    _ = url.port  # which raises ValueError for none that there is
    return text


def _secret(text: str) -> bytes:
    """A secret as Standard Webhooks writes it: base64, with `whsec_` before it."""
    try:
        secret = b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # of bytes that aren't ASCII, too
        secret = b""
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"must be {SECRET_PREFIX} and at least {SHORTEST_SECRET} bytes in base64")
    return secret


def _body_size(written: str | float) -> int:
    count = parse_size(written)
    if not 1 <= count <= LARGEST_BODY:
        raise ValueError(f"is {format_size(count)}, but must be from 1B to {format_size(LARGEST_BODY)}")
    return count


def _refers_to_file(schema: Any) -> bool:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        is_file = isinstance(reference, str) and not reference.startswith("#")
        return is_file or any(_refers_to_file(value) for value in schema.values())
    return isinstance(schema, list) and any(_refers_to_file(value) for value in schema)
