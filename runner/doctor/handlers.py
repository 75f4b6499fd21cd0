"""What handlers say themselves: one that has a method `probe()` is asked.

It connects to whatever the handler needs, does no work, and returns a sentence; or it raises
what the handler would raise, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from runner.config.loader import LoadedPipeline
from runner.config.sending import names
from runner.errors import Pause, Reject, Retry, text
from runner.findings import Finding
from runner.handlers.factory import HandlerFactory
from runner.processes.runs import runs_of

METHOD = "probe"


def handlers(loaded: LoadedPipeline) -> Iterator[Finding]:
    for name, factory in loaded.handlers.items():
        if factory.offers(METHOD):
            yield _probed(loaded, name, factory)
    if loaded.mailer is not None and loaded.mailer.offers(METHOD):
        yield _probed(loaded, "alerts", loaded.mailer)


def _probed(loaded: LoadedPipeline, name: str, factory: HandlerFactory) -> Finding:
    handler = cast(Any, factory.build())
    subject = f"stage {name}" if name in loaded.pipeline.stages else name
    mailbox, stage = loaded.pipeline.mailbox, loaded.pipeline.stages.get(name)
    runs = any(True for _ in runs_of(loaded.pipeline.file))
    if mailbox is not None and stage is not None and not runs and names(mailbox.listen, stage.settings):
        return Finding("ok", subject, f"sends to the mailbox of the pipeline, {mailbox.listen}, which comes with a run")
    try:
        return Finding("ok", subject, str(handler.probe()))
    except (Pause, Reject, Retry) as error:
        return Finding("fault", subject, error.reason)
    except Exception as error:  # noqa: BLE001 - of a user's own code
        return Finding("fault", subject, factory.without_secrets(f"{type(error).__name__}: {text(error)}"))
