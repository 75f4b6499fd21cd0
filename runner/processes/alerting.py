"""The child process that watches a run, and tells people by mail and webhook what needs them."""

from __future__ import annotations

from runner.alerts.conditions import Notice
from runner.alerts.delivery import Channel, Delivery
from runner.alerts.mail import Mails
from runner.alerts.watch import Watch
from runner.alerts.webhook import Webhooks
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.observability import observers
from runner.pipeline import Alerts
from runner.processes.child import Supervision, rest
from runner.processes.listeners import close_all
from runner.processes.telling import Latest
from runner.topology import plan


def run_alerts(loaded: LoadedPipeline, alerts: Alerts, supervision: Supervision) -> None:
    """Watch and tell until `Stop`."""
    close_all()
    pipeline, latest = loaded.pipeline, Latest(supervision.snapshots)
    deliveries = [Delivery(channel) for channel in _channels(loaded, alerts)]
    broker = connect(pipeline, "alerts", observers.attach())

    def tell(notice: Notice) -> None:
        for delivery in deliveries:
            delivery.put(notice)

    watch = Watch(pipeline, alerts, broker, supervision.children, lambda: latest.snapshot, tell)
    try:
        latest.start()
        for delivery in deliveries:
            delivery.start()
        watch.start()
        supervision.up()
        broker.start(plan(pipeline))
        rest()
    finally:
        watch.stop()
        for delivery in deliveries:
            delivery.stop()
        broker.close()


def _channels(loaded: LoadedPipeline, alerts: Alerts) -> list[Channel]:
    channels: list[Channel] = []
    if alerts.mail is not None and loaded.mailer is not None:
        channels.append(Mails(loaded.pipeline.name, loaded.mailer, alerts.mail.to))
    if alerts.webhook is not None:
        channels.append(Webhooks(loaded.pipeline.name, alerts.webhook))
    return channels
