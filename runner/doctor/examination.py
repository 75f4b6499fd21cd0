"""All examinations at once: one that hangs, or fails, holds up none of the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from runner.brokers import registry
from runner.config.loader import LoadedPipeline
from runner.doctor.clock import clock
from runner.doctor.handlers import handlers
from runner.doctor.machine import addresses, disks, open_files
from runner.doctor.queues import queues
from runner.doctor.remembered import keys, ledger
from runner.findings import Finding
from runner.privacy.masking import mask
from runner.privacy.redaction import hide_password
from runner.wording import one_line

Examination = Callable[[LoadedPipeline], Iterator[Finding]]
TIMEOUT = 45.0
"""Seconds for all of them."""


def broker(loaded: LoadedPipeline) -> Iterator[Finding]:
    return registry.checked(loaded.pipeline, "doctor")


EXAMINATIONS: Mapping[str, Examination] = {
    "broker": broker,
    "queues": queues,
    "handlers": handlers,
    "ledger": ledger,
    "keys": keys,
    "clock": clock,
    "addresses": addresses,
    "disk": disks,
    "open files": open_files,
}


class _Under(NamedTuple):
    """An examination that is under way."""

    thread: threading.Thread
    findings: list[Finding]


def examined(
    loaded: LoadedPipeline, examinations: Mapping[str, Examination] = EXAMINATIONS, timeout: float = TIMEOUT
) -> Iterator[Finding]:
    """What they find, in their order."""
    deadline = time.monotonic() + timeout
    under = {subject: _begun(subject, one, loaded) for subject, one in examinations.items()}
    for subject, (thread, findings) in under.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        yield from map(_shown, list(findings))
        if thread.is_alive():
            yield Finding("fault", subject, f"has not answered within {timeout:g} s", "see whether it hangs")


def _begun(subject: str, examine: Examination, loaded: LoadedPipeline) -> _Under:
    findings: list[Finding] = []

    def run() -> None:
        try:
            findings.extend(examine(loaded))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
            findings.append(Finding("fault", subject, f"{type(error).__name__}: {error}"))

    thread = threading.Thread(target=run, name=f"doctor: {subject}", daemon=True)
    thread.start()
    return _Under(thread, findings)


def _shown(found: Finding) -> Finding:
    """Without what must not be shown."""
    text = hide_password(mask(one_line(found.text)))
    return found._replace(text=text)
