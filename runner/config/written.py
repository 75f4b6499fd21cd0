"""A pipeline written out: the whole file with every default filled in, as a person reads it.

Secrets are hidden; without any, the text loads as the same pipeline.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.brokers import registry
from runner.config.loader import LoadedPipeline
from runner.config.yaml.writer import block, inline, key, scalar
from runner.errors import Trail
from runner.handlers.factory import HandlerFactory
from runner.ledger import url as ledger_url
from runner.message import Destination
from runner.pipeline import Console, Http, Pipeline, Queue, Route, Stage, Tls
from runner.privacy.redaction import HIDDEN, hide_password, is_secret
from runner.retry import RetryPolicy
from runner.units import format_duration, format_rate, format_size

Lines = Iterator[str]


def written(loaded: LoadedPipeline) -> str:
    """The pipeline as YAML, with the value of each default, and with the retry tables as comments."""
    return "\n".join(_pipeline(loaded)) + "\n"


def queue_text(loaded: LoadedPipeline, name: str) -> str:
    """The part of it that is about one queue."""
    return "\n".join(line[2:] for line in _queue(loaded.pipeline.queues[name], loaded.pipeline))


def stage_text(loaded: LoadedPipeline, name: str) -> str:
    """The part of it that is about one stage."""
    return "\n".join(line[2:] for line in _stage(loaded.pipeline.stages[name], loaded.handlers[name], loaded.pipeline))


def _pipeline(loaded: LoadedPipeline) -> Lines:
    pipeline = loaded.pipeline
    yield f"name: {scalar(pipeline.name)}"
    yield ""
    yield from _entry("broker", _broker(pipeline))
    yield from _sealing(pipeline)
    if pipeline.ledger is not None:
        yield "ledger:"
        yield f"  url: {scalar(ledger_url.shown(pipeline.ledger, pipeline.folder))}"
        yield f"  keep: {format_duration(pipeline.ledger_keep)}"
    if pipeline.http is not None:
        yield from _http(pipeline.http, pipeline)
    if pipeline.mailbox is not None:
        yield from ("", "mailbox:", f"  listen: {scalar(str(pipeline.mailbox.listen))}")
        yield f"  folder: {scalar(_relative(pipeline.mailbox.folder, pipeline))}"
    if pipeline.health is not None:
        yield from ("", "health:", f"  listen: {scalar(str(pipeline.health.listen))}")
    yield from _console(pipeline.console, pipeline)
    yield from _alerts(loaded)
    if pipeline.exchanges:
        yield from ("", "exchanges:")
        yield from (
            f"  {key(name)}: {inline({'type': exchange.type})}" for name, exchange in pipeline.exchanges.items()
        )
    yield from ("", "queues:")
    for queue in pipeline.queues.values():
        yield from _queue(queue, pipeline)
    if pipeline.stages:
        yield from ("", "stages:")
    for index, stage in enumerate(pipeline.stages.values()):
        yield from [""] if index else []
        yield from _stage(stage, loaded.handlers[stage.name], pipeline)
    yield from ("", f"shutdown_timeout: {format_duration(pipeline.shutdown_timeout)}")


def _entry(name: str, value: Any, indent: int = 0) -> Lines:
    first, *rest = block(value, indent + 2)
    yield f"{' ' * indent}{key(name)}:{first}"
    yield from rest


def _relative(path: Path, pipeline: Pipeline) -> str:
    return str(path.relative_to(pipeline.folder) if path.is_relative_to(pipeline.folder) else path)


def _broker(pipeline: Pipeline) -> str | list[str]:
    urls = [registry.shown(url, pipeline.folder) for url in pipeline.broker]
    return urls[0] if len(urls) == 1 else urls


def _sealing(pipeline: Pipeline) -> Lines:
    if pipeline.keys is not None:
        yield from _entry("keys", f"file:{_relative(pipeline.keys, pipeline)}")
    if pipeline.production:
        yield "production: true"


def _http(http: Http, pipeline: Pipeline) -> Lines:
    yield from ("", "http:", f"  listen: {scalar(str(http.listen))}")
    yield f"  max_body: {format_size(http.max_body)}"
    yield f"  max_bodies: {format_size(http.max_bodies)}"
    yield f"  confirm_timeout: {format_duration(http.confirm_timeout)}"
    yield from _tls(http.tls, pipeline)
    yield f"  request_timeout: {format_duration(http.request_timeout)}"
    yield f"  max_connections: {http.max_connections}"
    yield "  routes:"
    for route in http.routes:
        yield f"    {key(str(route))}:"
        yield from _entry("publish", _publish(route.publish), 6)
        if route.idempotency != "off":
            keep = format_duration(route.idempotency_keep)
            yield f"      idempotency: {inline({'mode': route.idempotency, 'keep': keep})}"
        if route.status is not None:
            yield f"      status: {scalar(route.status)}"
        if route.auth != "off":
            yield f"      auth: {route.auth}"
        if (rate := route.rate_limit) is not None:
            yield f"      rate_limit: {format_rate(rate.requests, rate.seconds)}"
        if route.headers:
            yield f"      headers: {inline(list(route.headers))}"
        if route.find:
            yield f"      find: {inline(list(route.find))}"
        if route.verify is not None:
            verify = {"secrets": [HIDDEN] * len(route.verify.secrets)}
            yield f"      verify: {inline({**verify, 'tolerance': format_duration(route.verify.tolerance)})}"


def _console(console: Console | None, pipeline: Pipeline) -> Lines:
    if console is None:
        return
    yield from ("", "console:", f"  listen: {scalar(str(console.listen))}")
    yield from _tls(console.tls, pipeline)
    yield from ["  tokens:"] if console.tokens else []
    for token in console.tokens:
        yield f"    {key(token.name)}: {inline({'hash': token.hash, 'roles': list(token.roles)})}"


def _alerts(loaded: LoadedPipeline) -> Lines:
    alerts = loaded.pipeline.alerts
    if alerts is None:
        return
    yield from ("", "alerts:")
    if alerts.dead_letters is not None:
        yield f"  dead_letters: {alerts.dead_letters}"
    for name in ("oldest", "paused", "not_ready"):
        if (wait := getattr(alerts, name)) is not None:
            yield f"  {name}: {format_duration(wait)}"
    if alerts.mail is not None and loaded.mailer is not None:
        yield from ("  mail:", f"    to: {inline(list(alerts.mail.to))}")
        yield from _settings(alerts.mail.settings, loaded.mailer, loaded.pipeline)
    if alerts.webhook is not None:
        secret = {} if alerts.webhook.secret is None else {"secret": HIDDEN}
        host, url = alerts.webhook.host, alerts.webhook.url
        shown = url if url in (host, f"{host}/") else f"{host}/{HIDDEN}"
        yield f"  webhook: {inline({'url': shown, **secret})}"


def _tls(tls: Tls | None, pipeline: Pipeline) -> Lines:
    if tls is not None:
        files = {"certificate": tls.certificate, "key": tls.key}
        yield f"  tls: {inline({name: _relative(path, pipeline) for name, path in files.items()})}"


def _queue(queue: Queue, pipeline: Pipeline) -> Lines:
    yield f"  {key(queue.name)}:"
    if queue.schema is not None:
        yield f"    schema: {scalar(_relative(queue.schema, pipeline))}"
    yield f"    type: {queue.type}"
    if queue.max_length is not None:
        yield f"    max_length: {queue.max_length}"
    if queue.type != "classic":  # which has none
        yield f"    delivery_limit: {queue.delivery_limit}"
    if queue.bind:
        yield from _entry("bind", [{"exchange": binding.exchange, "key": binding.key} for binding in queue.bind], 4)
    if queue.external:
        yield "    external: true"
    if queue.was:
        yield from _entry("was", queue.was, 4)


# -- Stages -----------------------------------------------------------------------


def _stage(stage: Stage, handler: HandlerFactory, pipeline: Pipeline) -> Lines:
    yield f"  {key(stage.name)}:"
    yield f"    consume: {scalar(stage.consume)}"
    yield f"    handler: {scalar(stage.handler)}"
    yield from _settings(stage.settings, handler, pipeline)
    if stage.publish:
        yield from _entry("publish", _publish(stage.publish), 4)
    if stage.reveal:
        yield from _entry("reveal", list(stage.reveal), 4)
    yield f"    concurrency: {stage.concurrency}"
    yield f"    prefetch: {stage.prefetch}"
    yield f"    timeout: {'off' if stage.timeout is None else format_duration(stage.timeout)}"
    yield from _retry(stage.retry)
    if stage.breaker is not None:
        written = {"failures": stage.breaker.failures, "pause": format_duration(stage.breaker.pause)}
        yield f"    breaker: {inline(written)}"
    if stage.once:
        yield from ("    once: true", f"    on_unknown: {stage.on_unknown}")
    if stage.key_lifetime is not None:
        yield f"    key_lifetime: {format_duration(stage.key_lifetime)}"
    if stage.reconcile:
        yield f"    reconcile: {inline([format_duration(wait) for wait in stage.reconcile])}"
    if stage.settles is not None:
        yield f"    settles: {inline(stage.settles)}"
    if stage.record:
        yield f"    record: {inline(dict(stage.record))}"
    if stage.find:
        yield f"    find: {inline(list(stage.find))}"


def _settings(settings: Mapping[str, Any], handler: HandlerFactory, pipeline: Pipeline) -> Lines:
    """The settings given and, as comments, those that the handler adds."""
    yield "    settings:" if settings or handler.defaults else "    settings: {}"
    for name, value in settings.items():
        hidden = _hidden((name,), value, pipeline, handler.secrets)
        first, *rest = _entry(name, hidden, 6)
        yield first + ("  # hidden" if hidden == HIDDEN else "")
        yield from rest
    for name, value in handler.defaults.items():
        yield f"      # {key(name)}: {_default(_hidden((name,), value, pipeline))} (the handler's default)"


def _hidden(trail: Trail, value: Any, pipeline: Pipeline, secrets: Collection[Trail] = ()) -> Any:
    """The value of the setting that `trail` leads to, as it may be shown."""
    if trail in secrets:
        return HIDDEN
    if isinstance(value, Mapping):
        return {inner: _hidden((*trail, inner), member, pipeline, secrets) for inner, member in value.items()}
    if is_secret(str(trail[-1])) and not isinstance(value, bool) and value not in (None, "", []):
        return HIDDEN
    if isinstance(value, (list, tuple)):
        return [_hidden((*trail, index), item, pipeline, secrets) for index, item in enumerate(value)]
    if isinstance(value, Path):
        return _relative(value, pipeline)
    return hide_password(value) if isinstance(value, str) else value


def _default(value: Any) -> str:
    try:
        return inline(value)
    except TypeError:  # it isn't a JSON value
        return " ".join(repr(value).split())


def _publish(routes: Sequence[Route]) -> Any:
    """In the shortest form: a name, names, or routes."""
    only = routes[0]
    if len(routes) == 1 and only.when is None and not any(destination.exchange for destination in only.to):
        names = [destination.key for destination in only.to]
        return names[0] if len(names) == 1 else names
    return [_route(route) for route in routes]


def _route(route: Route) -> dict[str, Any]:
    to = [_destination(destination) for destination in route.to]
    when = {} if route.when is None else {"when": route.when}
    return {**when, "to": to[0] if len(to) == 1 else to}


def _destination(destination: Destination) -> Any:
    if not destination.exchange:
        return destination.key
    return {"exchange": destination.exchange, "key": destination.key}


def _retry(policy: RetryPolicy) -> Lines:
    yield "    retry:"
    yield f"      attempts: {policy.attempts}"
    yield f"      delay: {format_duration(policy.delay)}"
    yield f"      factor: {inline(policy.factor).removesuffix('.0')}"
    yield f"      max_delay: {format_duration(policy.max_delay)}"
    waits = policy.table()
    table = ", ".join(format_duration(wait) for wait in waits)
    total = f"waits: [{table}]; {format_duration(sum(waits))} in all" if waits else "no second attempt"
    yield f"      # {total}, then the dead letters"
