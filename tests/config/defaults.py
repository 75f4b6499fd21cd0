"""The default of each key, taken from the model and written as in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.pipeline import (
    Breaker,
    Console,
    ConsoleToken,
    Health,
    Http,
    HttpRoute,
    Mailbox,
    Pipeline,
    Queue,
    Stage,
    Verify,
)
from runner.units import format_duration, format_size

_PIPELINE, _HTTP, _QUEUE, _STAGE = Pipeline("", Path()), Http(), Queue(""), Stage("", "", "")
_ROUTE = HttpRoute("POST", "/", ())

DEFAULTS: dict[str, Any] = {
    "broker": _PIPELINE.broker[0],
    "production": _PIPELINE.production,
    "shutdown_timeout": format_duration(_PIPELINE.shutdown_timeout),
    "ledger.keep": format_duration(_PIPELINE.ledger_keep),
    "http.routes.*.idempotency": _ROUTE.idempotency,
    "http.routes.*.idempotency.mode": "optional",
    "http.routes.*.idempotency.keep": format_duration(_ROUTE.idempotency_keep),
    "http.routes.*.auth": _ROUTE.auth,
    "stages.*.once": _STAGE.once,
    "stages.*.on_unknown": _STAGE.on_unknown,
    "stages.*.record": dict(_STAGE.record),
    "http.listen": str(_HTTP.listen),
    "http.max_body": format_size(_HTTP.max_body),
    "http.max_bodies": format_size(_HTTP.max_bodies),
    "http.confirm_timeout": format_duration(_HTTP.confirm_timeout),
    "http.request_timeout": format_duration(_HTTP.request_timeout),
    "http.max_connections": _HTTP.max_connections,
    "mailbox.listen": str(Mailbox().listen),
    "mailbox.folder": str(Mailbox().folder),
    "health.listen": str(Health().listen),
    "console.listen": str(Console().listen),
    "console.tokens.*.roles": list(ConsoleToken("", "").roles),
    "http.routes.*.verify.tolerance": format_duration(Verify(()).tolerance),
    "queues.*.type": _QUEUE.type,
    "queues.*.delivery_limit": _QUEUE.delivery_limit,
    "queues.*.bind": list(_QUEUE.bind),
    "queues.*.external": _QUEUE.external,
    "stages.*.settings": dict(_STAGE.settings),
    "stages.*.publish": list(_STAGE.publish),
    "stages.*.reveal": list(_STAGE.reveal),
    **{
        f"{owner}.{key}": getattr(_STAGE, key)
        for owner in ("defaults", "stages.*")
        for key in ("concurrency", "prefetch")
    },
    **{f"{owner}.timeout": format_duration(_STAGE.timeout or 0.0) for owner in ("defaults", "stages.*")},
    "stages.*.breaker.failures": Breaker().failures,
    "stages.*.breaker.pause": format_duration(Breaker().pause),
    "retry.attempts": _STAGE.retry.attempts,
    "retry.delay": format_duration(_STAGE.retry.delay),
    "retry.factor": _STAGE.retry.factor,
    "retry.max_delay": format_duration(_STAGE.retry.max_delay),
}
"""By the dotted key, as in `docs/pipeline-yaml.md`."""
