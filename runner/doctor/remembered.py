"""The ledger, and the keys: reachable, usable, and of this version."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator

from runner.config.loader import LoadedPipeline
from runner.errors import KeysError, LedgerError
from runner.findings import Finding
from runner.ledger.url import path_of, shown
from runner.privacy.keyset import read_keys
from runner.wording import counted

LARGEST_SKEW = 2.0
"""Seconds by which a clock may differ: waits and rate limits are worked out by it."""


def ledger(loaded: LoadedPipeline) -> Iterator[Finding]:
    url = loaded.pipeline.ledger
    if url is None:
        return
    place, path = shown(url, loaded.pipeline.folder), path_of(url)
    if path is not None and not path.exists():
        yield Finding("ok", "ledger", f"{place}, which the first run makes")
        return
    if path is not None and not os.access(path, os.W_OK):
        yield Finding("fault", "ledger", f"{place} can't be written", "give it to the user who runs the pipeline")
        return
    from runner.ledger.condition import condition

    try:
        found = condition(url)
    except LedgerError as error:
        yield Finding("fault", "ledger", str(error), "start it, or correct 'ledger' in the file")
        return
    if found.too_new:
        yield Finding("fault", "ledger", f"{place} is of version {found.version}", "update the runner")
    elif found.read_only:
        yield Finding("fault", "ledger", f"{place} can only be read", "name the primary, not a standby")
    elif found.lacks_rights:
        rights = "give it SELECT, INSERT, UPDATE and DELETE on all tables there"
        yield Finding("fault", "ledger", f"{place} doesn't let this user write", rights)
    else:
        version = f"of version {found.version}" if found.version else "without tables, which the first run makes"
        yield Finding("ok", "ledger", f"{place}, {version}")
    if found.time is not None and abs(skew := time.time() - found.time) > LARGEST_SKEW:
        ahead = f"the clock here is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the ledger's"
        yield Finding("warning", "clock", ahead, "set both by NTP")


def keys(loaded: LoadedPipeline) -> Iterator[Finding]:
    path = loaded.pipeline.keys
    if path is None:
        return
    if not path.exists() and not loaded.pipeline.production:
        yield Finding("ok", "keys", f"{path}, which the first run makes")
        return
    try:
        found = read_keys(path)
    except KeysError as error:
        yield Finding("fault", "keys", str(error), "mount the file, or make it: 'runner keys generate'")
        return
    if path.stat().st_mode & (stat.S_IRWXO):
        yield Finding("warning", "keys", f"every user of this machine may read {path}", f"chmod 600 {path}")
    yield Finding("ok", "keys", f"{counted(len(found.keys), 'key')} in {path}; {found.current} seals")
