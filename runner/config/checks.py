"""What is wrong, or doubtful, in a pipeline that the grammar allows.

Names that nothing declares, routes that are never taken, two that want the same port. Each check takes a draft and
yields problems; none imports a handler or reads a file. Left out: limits (see `limits`), what needs a ledger
(`remembering`), and where messages flow (`flow`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import Literal

from runner import topology
from runner.config.draft import Draft
from runner.config.flow import flow_problems
from runner.config.grammar import subject
from runner.config.limits import limit_problems
from runner.config.remembering import ledger_problems
from runner.config.sending import EVERY_HOST, unused_mailbox
from runner.errors import Problem, Trail
from runner.message import Destination
from runner.pipeline import Address, HttpRoute, Stage
from runner.topology import dead_letter_queue, migration_queue, quarantine_queue
from runner.wording import did_you_mean, quoted

MOST_HINTS = 20
"""How many undeclared names get a suggestion: each is compared with all declared names."""
Check = Callable[[Draft], Iterator[Problem]]
NameKind = Literal["queue", "exchange"]
"""What a name in the wiring is of."""


def problems_of(draft: Draft) -> Iterator[Problem]:
    """Every problem of `draft`; those of its flow only if all the wiring is known."""
    unknown = list(_undeclared(draft))
    yield from unknown
    for one in _CHECKS:
        yield from one(draft)
    if not unknown and not draft.has_gaps:
        yield from flow_problems(draft)


# -- Names ------------------------------------------------------------------------


def _undeclared(draft: Draft) -> Iterator[Problem]:
    hinted = 0
    for trail, sentence, kind, name in _mentions(draft):
        known = draft.pipeline.queues if kind == "queue" else draft.pipeline.exchanges
        is_there = draft.document.node((f"{kind}s", name)) is not None
        if name and not is_there:
            hinted += 1
            hint = (did_you_mean(name, known) if hinted <= MOST_HINTS else "") or f"; add it under {kind}s"
            yield draft.document.problem(trail, f"{sentence} {quoted(name)}, which no {kind} declares{hint}")


def _mentions(draft: Draft) -> Iterator[tuple[Trail, str, NameKind, str]]:
    """Each use of a name: where, the sentence up to it, queue or exchange, the name."""
    for stage in draft.pipeline.stages.values():
        yield ("stages", stage.name, "consume"), f"stage {stage.name} consumes", "queue", stage.consume
    for owner, destination, trail in draft.destinations():
        if destination.exchange:
            yield (*trail, "exchange"), f"{subject(owner)} publishes to", "exchange", destination.exchange
        else:
            yield trail, f"{subject(owner)} publishes to", "queue", destination.key
    for queue in draft.pipeline.queues.values():
        for index, binding in enumerate(queue.bind):
            trail = ("queues", queue.name, "bind", index, "exchange")
            yield trail, f"queue {queue.name} binds to", "exchange", binding.exchange


def _companions(draft: Draft) -> Iterator[Problem]:
    """A queue must not have the name of one that the runner makes for another queue."""
    for name in draft.pipeline.queues:
        for home in _homes(name):
            if home in draft.pipeline.queues:
                message = f"queue {name} has a name that the runner gives to a companion of {home}; choose another"
                yield draft.document.problem(("queues", name), message, key=True)


def _renamed(draft: Draft) -> Iterator[Problem]:
    """A queue's former name leads to one queue, and to none that is still used."""
    first: dict[str, str] = {}
    for name, queue in draft.pipeline.queues.items():
        if not queue.was:
            continue
        other = first.setdefault(queue.was, name)
        if queue.was == name:
            message = "is its own name; name the one that it had before, or remove this"
        elif queue.was in draft.pipeline.queues or any(home in draft.pipeline.queues for home in _homes(queue.was)):
            message = f"is {queue.was}, which this file still uses; only a queue that it no longer names can be moved"
        elif other != name:
            message = f"is {queue.was}, as it is of queue {other}; its messages can go to one of them only"
        else:
            continue
        yield draft.document.problem(("queues", name, "was"), f"queue {name}: was {message}")


def _homes(name: str) -> Iterator[str]:
    """The queues of which one with this name could be a companion."""
    ends = (dead_letter_queue(""), quarantine_queue(""), migration_queue(""))
    yield from (name.removesuffix(end) for end in ends if name.endswith(end))
    yield from (name[: part.start()] for part in re.finditer(r"\.retry\.", name))


def _http_paths(draft: Draft) -> Iterator[Problem]:
    seen: dict[tuple[str, str], str] = {}
    for route in draft.pipeline.http.routes if draft.pipeline.http else ():
        trail = ("http", "routes", str(route))
        path = route.path.rstrip("/")
        if path == "/health" or path.startswith("/health/"):
            message = f"route {route}: /health is where the runner tells whether it is well; choose another path"
            yield draft.document.problem(trail, message, key=True)
        if route.status is not None and route.status.startswith("/health/"):
            message = (
                f"route {route}: status: /health is where the runner tells whether it is well; choose another path"
            )
            yield draft.document.problem((*trail, "status"), message)
        first = seen.setdefault((route.method, path), str(route))
        if first != str(route):
            message = f"route {route} is the same as {first}, but for the '/' at the end; remove one"
            yield draft.document.problem(trail, message, key=True)


def _shared_status(draft: Draft) -> Iterator[Problem]:
    """Who may ask how a message stands has to be plain from the path."""
    first: dict[str, HttpRoute] = {}
    for route in draft.pipeline.http.routes if draft.pipeline.http else ():
        other = first.setdefault(route.status or "", route)
        if route.status is not None and other.auth != route.auth:
            message = (
                f"route {route}: status {route.status} is also that of {other}, and only one of them asks for an "
                "API key; give them different paths"
            )
            yield draft.document.problem(("http", "routes", str(route), "status"), message)


# -- Routes -----------------------------------------------------------------------


def _route_order(draft: Draft) -> Iterator[Problem]:
    for owner, routes in draft.routes.items():
        for before, route in pairwise(routes):
            if before.when in (None, True):
                message = f"{subject(owner)}: this route is never reached, because the one before it takes every body"
                yield draft.document.problem(route.trail, message, severity="warning")
        if routes and not any(route.when in (None, True) for route in routes):
            fate = "is dead-lettered" if owner[0] == "stages" else "is refused"
            message = f"{subject(owner)}: a body that matches no route {fate}; end with a route without 'when'"
            yield draft.document.problem((*routes[-1].trail, "when"), message, key=True, severity="warning")


def _same_destination_twice(draft: Draft) -> Iterator[Problem]:
    for owner, routes in draft.routes.items():
        for route in routes:
            seen: set[Destination] = set()
            for destination, trail in route.to:
                if destination in seen and str(destination):
                    message = f"{subject(owner)} publishes to {quoted(str(destination))} twice; remove one"
                    yield draft.document.problem(trail, message)
                seen.add(destination)


def _keys(draft: Draft) -> Iterator[Problem]:
    """A direct or topic exchange routes by key; without one nothing would arrive."""
    exchanges = draft.pipeline.exchanges
    for _, destination, trail in draft.destinations():
        kind = exchanges[destination.exchange].type if destination.exchange in exchanges else ""
        if kind in ("direct", "topic") and draft.document.node((*trail, "key")) is None:
            message = f"the {kind} exchange {quoted(destination.exchange)} routes by key; add 'key'"
            yield draft.document.problem(trail, message)
    for queue in draft.pipeline.queues.values():
        for index, binding in enumerate(queue.bind):
            trail = ("queues", queue.name, "bind", index)
            kind = exchanges[binding.exchange].type if binding.exchange in exchanges else ""
            if kind in ("direct", "topic") and draft.document.node((*trail, "key")) is None:
                message = f"the {kind} exchange {quoted(binding.exchange)} routes by key; add 'key'"
                yield draft.document.problem(trail, message)


# -- Queues -----------------------------------------------------------------------


def _consumed_twice(draft: Draft) -> Iterator[Problem]:
    consumers: dict[str, Stage] = {}
    for stage in draft.pipeline.stages.values():
        first = consumers.setdefault(stage.consume, stage)
        if first is not stage and stage.consume:
            message = (
                f"queue {stage.consume} is already consumed by stage {first.name}, and each message would go "
                "to only one of the two; publish to two queues instead"
            )
            yield draft.document.problem(("stages", stage.name, "consume"), message)


def _classic(draft: Draft) -> Iterator[Problem]:
    for queue in draft.pipeline.queues.values():
        trail = ("queues", queue.name, "delivery_limit")
        if queue.type == "classic" and draft.document.node(trail) is not None:
            message = f"queue {queue.name}: a classic queue has no delivery_limit; remove it, or the type"
            yield draft.document.problem(trail, message, key=True)


def _unchecked(draft: Draft) -> Iterator[Problem]:
    """What strangers send deserves a schema."""
    plan = topology.plan(draft.pipeline)
    for owner, destination, trail in draft.destinations():
        if owner[0] != "http":
            continue
        for name in plan.queues_of(destination):
            queue = draft.pipeline.queues.get(name)
            if queue is not None and draft.document.node(("queues", name, "schema")) is None:
                message = f"{subject(owner)} publishes to {quoted(name)}, which has no schema: any body is taken"
                yield draft.document.problem(trail, message, severity="warning")


# -- Alerts and ports ---------------------------------------------------------------


def _alerts(draft: Draft) -> Iterator[Problem]:
    alerts = draft.pipeline.alerts
    if alerts is None:
        return
    node = draft.document.node(("alerts",))
    given = node.children if node is not None else {}
    if not {"mail", "webhook"} & set(given):
        yield draft.document.problem(("alerts",), "alerts tells nobody; add 'mail' or 'webhook'", key=True)
    conditions = ("dead_letters", "oldest", "paused", "not_ready")
    if not set(conditions) & set(given):
        message = f"alerts tells of nothing; add what it is to watch: {', '.join(conditions)}"
        yield draft.document.problem(("alerts",), message, key=True)


def _ports(draft: Draft) -> Iterator[Problem]:
    pipeline = draft.pipeline
    parts = {"http": pipeline.http, "mailbox": pipeline.mailbox, "health": pipeline.health, "console": pipeline.console}
    listening = [(name, part.listen) for name, part in parts.items() if part is not None]
    for (one, address), (other, second) in combinations(listening, 2):
        if _clash(address, second):
            trail: Trail = (other, "listen")
            message = f"{other} and {one} both listen on port {second.port}; give one of them another"
            yield draft.document.problem(trail if draft.document.node(trail) else (one, "listen"), message)


def _clash(one: Address, other: Address) -> bool:
    hosts = {"127.0.0.1" if host == "localhost" else host for host in (one.host, other.host)}
    return one.port == other.port != 0 and (len(hosts) == 1 or bool(EVERY_HOST & hosts))


_CHECKS: tuple[Check, ...] = (
    _companions,
    _renamed,
    _http_paths,
    _shared_status,
    _route_order,
    _same_destination_twice,
    _keys,
    _consumed_twice,
    _classic,
    _unchecked,
    _ports,
    _alerts,
    limit_problems,
    ledger_problems,
    unused_mailbox,
)
