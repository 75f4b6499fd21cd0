"""`http`: the intake, its routes, and what each asks of a request."""

from __future__ import annotations

from collections.abc import Iterator

from runner.config import grammar
from runner.config.sections.formats import body_size, secret
from runner.config.sections.publish import publish
from runner.config.sections.values import LONGEST_KEEP, Values, given
from runner.errors import Trail
from runner.headers import check_name
from runner.pipeline import Http, HttpRoute, RateLimit, Tls, Verify
from runner.units import parse_rate, parse_size


def http(values: Values) -> Http:
    routes = values.entries(("http", "routes"))
    return Http(
        routes=tuple(_http_route(values, route) for route in routes),
        tls=tls(values, ("http", "tls")),
        **given(
            listen=values.listen("http"),
            max_body=values.parsed(("http", "max_body"), body_size),
            max_bodies=values.parsed(("http", "max_bodies"), parse_size),
            confirm_timeout=values.duration(("http", "confirm_timeout"), 0.001, 600.0),
            request_timeout=values.duration(("http", "request_timeout"), 0.1, 3600.0),
            max_connections=values.whole(("http", "max_connections")),
        ),
    )


def _http_route(values: Values, route: str) -> HttpRoute:
    method, _, path = route.partition(" ")
    trail: Trail = ("http", "routes", route)
    written = values.value((*trail, "idempotency"))
    mode = values.value((*trail, "idempotency", "mode")) or "optional" if isinstance(written, dict) else written
    keep = values.duration((*trail, "idempotency", "keep"), 60.0, LONGEST_KEEP)
    more = given(
        idempotency=mode,
        idempotency_keep=keep,
        status=values.value((*trail, "status")),
        auth=values.value((*trail, "auth")),
        rate_limit=values.parsed((*trail, "rate_limit"), lambda text: RateLimit(*parse_rate(text))),
        headers=tuple(_header_names(values, (*trail, "headers"))),
        find=tuple(values.texts((*trail, "find"))),
    )
    return HttpRoute(method, path, publish(values, trail), verify=_verify(values, (*trail, "verify")), **more)


def tls(values: Values, trail: Trail) -> Tls | None:
    certificate, key = (values.parsed((*trail, name), values.file_at) for name in ("certificate", "key"))
    return None if certificate is None or key is None else Tls(certificate, key)


def _header_names(values: Values, trail: Trail) -> Iterator[str]:
    seen: set[str] = set()
    for index in range(len(values.value(trail) or ())):
        name = values.parsed((*trail, index), check_name)
        if name is not None and name.lower() in seen:
            values.problem((*trail, index), f"{grammar.subject(trail)} names {name} twice; remove one")
        elif name is not None:
            seen.add(name.lower())
            yield name


def _verify(values: Values, trail: Trail) -> Verify | None:
    if values.value(trail) is None:
        return None
    written = values.value((*trail, "secrets")) or ()
    secrets = [values.parsed((*trail, "secrets", index), secret) for index in range(len(written))]
    tolerance = values.duration((*trail, "tolerance"), 1.0, 86_400.0)
    return Verify(tuple(secret for secret in secrets if secret is not None), **given(tolerance=tolerance))
