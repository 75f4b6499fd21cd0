"""Is the broker's file fit for the pipeline?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from runner.brokers.embedded.shelf import started
from runner.brokers.embedded.url import path_of
from runner.errors import BrokerError
from runner.findings import Finding
from runner.topology import Topology

SUBJECT = "broker"


def checked(urls: Sequence[str], name: str, topology: Topology) -> Iterator[Finding]:  # noqa: ARG001 - of the contract
    """What is found in the file that the only URL names."""
    path = path_of(urls[0])
    if not path.exists():
        yield Finding("ok", SUBJECT, f"embedded, in {path}, which the first run makes")
        return
    if not os.access(path, os.W_OK):
        yield Finding("fault", SUBJECT, f"{path} can't be written", "give it to the user who runs the pipeline")
        return
    try:
        with started(urls, name):
            yield Finding("ok", SUBJECT, f"embedded, in {path}")
    except BrokerError as error:
        yield Finding("fault", SUBJECT, str(error), "see docs/operating.md, The embedded broker")
