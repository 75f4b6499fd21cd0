"""What the machine gives: addresses to listen on, room on disks, open files."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from runner.brokers.embedded.url import EMBEDDED
from runner.brokers.embedded.url import path_of as file_of
from runner.config.loader import LoadedPipeline
from runner.errors import StartError
from runner.findings import Finding
from runner.intake.connections import OTHER_FILES
from runner.intake.reserve import RESERVED
from runner.ledger.url import path_of
from runner.pipeline import Pipeline
from runner.ports import listening
from runner.processes.runs import runs_of

SCARCE, PLENTY = 100 << 20, 1 << 30
"""Bytes free on a disk: less than the first is a fault, less than the second worth a warning."""


def addresses(loaded: LoadedPipeline) -> Iterator[Finding]:
    pipeline = loaded.pipeline
    parts = {"http": pipeline.http, "mailbox": pipeline.mailbox, "health": pipeline.health, "console": pipeline.console}
    runs = [str(run.pid) for run in runs_of(pipeline.file)]
    for key, part in parts.items():
        if part is None:
            continue
        if runs:
            yield Finding("ok", "addresses", f"{key}: {part.listen}, for the run here (process {', '.join(runs)})")
            continue
        try:
            listening(part.listen, f"{key}.listen").close()
        except StartError as error:
            yield Finding("fault", "addresses", str(error))
        else:
            yield Finding("ok", "addresses", f"{key}: {part.listen} is free")


def disks(loaded: LoadedPipeline) -> Iterator[Finding]:
    seen: set[int] = set()
    for path in _kept_in(loaded.pipeline):
        there = next(one for one in (path, *path.parents) if one.exists())
        device = there.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(there).free
        level, remedy = ("fault", "make room") if free < SCARCE else ("warning", "make room soon")
        text = f"{free / 2**30:,.1f} GiB free where {path} is"
        yield Finding("ok", "disk", text) if free >= PLENTY else Finding(level, "disk", text, remedy)  # type: ignore[arg-type]


def _kept_in(pipeline: Pipeline) -> Iterator[Path]:
    """Where the pipeline writes."""
    if pipeline.broker[0].startswith(EMBEDDED):
        yield file_of(pipeline.broker[0])
    if pipeline.ledger is not None and (path := path_of(pipeline.ledger)) is not None:
        yield path
    if pipeline.mailbox is not None:
        yield pipeline.folder / pipeline.mailbox.folder
    yield pipeline.folder / "var"


def open_files(loaded: LoadedPipeline) -> Iterator[Finding]:
    """Of the intake: each connection is one."""
    http = loaded.pipeline.http
    if http is None:
        return
    wanted, hard = http.max_connections + RESERVED + OTHER_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < wanted:
        remedy = "raise it (LimitNOFILE in systemd, ulimit -n), or lower http.max_connections"
        text = f"a process may have {hard:,}, and {http.max_connections:,} connections need {wanted:,}"
        yield Finding("warning", "open files", text, remedy)
    else:
        yield Finding("ok", "open files", f"enough for {http.max_connections:,} connections")
