"""The kinds of child processes of `runner run`, and which of them a run has.

Each is built after the fork from the pipeline that the supervisor loaded, and imports only
what it needs: a worker pays nothing for the HTTP server. What several need is imported before.
"""

from __future__ import annotations

from functools import partial

from runner.config.loader import LoadedPipeline
from runner.pipeline import Alerts, Mailbox
from runner.processes import makings
from runner.processes.child import LEAVE, Child, Supervision, rest
from runner.processes.console import run_console, run_health
from runner.processes.intake import run_intake
from runner.processes.listeners import Listeners
from runner.processes.parts import Parts
from runner.processes.worker import run_worker
from runner.worker.blackbox import BlackBox


def children(loaded: LoadedPipeline, parts: Parts, listeners: Listeners, *, processes: int = 1) -> list[Child]:
    """The children that `runner run` starts: those for `parts`, with so many worker processes."""
    _import_shared(loaded, parts)
    found: list[Child] = []
    if parts.mailbox is not None:
        run = partial(run_mailbox, parts.mailbox, listeners)
        found.append(Child("mailbox", run, last=True, made_of=parts.mailbox))
    if parts.health is not None:
        run, made_of = partial(run_health, loaded, parts, listeners), makings.of_all(loaded, parts, processes)
        found.append(Child("health", run, last=True, made_of=made_of))
    if parts.console is not None:
        run, made_of = partial(run_console, loaded, parts, listeners), makings.of_all(loaded, parts, processes)
        found.append(Child("console", run, last=True, shows=True, made_of=made_of))
    if parts.alerts is not None:
        run, made_of = partial(_run_alerts, loaded, parts.alerts), makings.of_all(loaded, parts, processes)
        found.append(Child("alerts", run, last=True, shows=True, made_of=made_of))
    if parts.intake is not None:
        run = partial(run_intake, loaded, parts.intake, listeners)
        made_of = makings.of_intake(loaded, parts)
        found.append(Child("intake", run, forks=True, made_of=made_of, leave=LEAVE))
    names = ["worker"] if processes == 1 else [f"worker-{number}" for number in range(1, processes + 1)]
    if parts.stages:
        stages = [stage.name for stage in parts.stages]
        box = BlackBox(processes, sum(stage.concurrency for stage in parts.stages))
        made_of = makings.of_worker(loaded, parts, processes)
        for number, name in enumerate(names):
            run = partial(run_worker, loaded, name, stages, box, number)
            found.append(Child(name, run, made_of=made_of, leave=LEAVE))
    return found


def _import_shared(loaded: LoadedPipeline, parts: Parts) -> None:
    """Import what several children need. Before the fork that takes time and memory once, and a child that is
    started again is up sooner."""
    if loaded.pipeline.ledger is not None and (parts.intake is not None or parts.stages):
        import runner.ledger.ledger  # noqa: F401
    if [parts.intake, parts.health, parts.console].count(None) < 2:
        import flask  # noqa: F401


def _run_alerts(loaded: LoadedPipeline, alerts: Alerts, supervision: Supervision) -> None:
    from runner.processes.alerting import run_alerts  # which no other child needs

    run_alerts(loaded, alerts, supervision)


def run_mailbox(mailbox: Mailbox, listeners: Listeners, supervision: Supervision) -> None:
    """Keep every mail until `Stop`."""
    from runner.mailbox.server import MailboxServer

    listener = listeners.take("mailbox")
    assert listener is not None
    with MailboxServer(listener, mailbox.folder):
        supervision.up()
        rest()
