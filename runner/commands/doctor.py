"""`runner doctor`: is everything that the file needs there, and fit for it? Exits with 1 at a fault."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from runner.commands.loading import PIPELINE
from runner.commands.terminal import FORMAT
from runner.config.loader import load
from runner.doctor.examination import examined
from runner.findings import Finding
from runner.observability import logs
from runner.wording import counted

_SIGNS = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}


@click.command()
@PIPELINE
@FORMAT
def doctor(pipeline: Path, form: str) -> None:
    """Check that everything the file needs is there, and works.

    The broker, its queues, mail servers, the ledger, the keys, the clock, addresses, disks, open files. Nothing is
    changed. Exit status: 0 well, perhaps with warnings, 1 there is a fault.
    """
    loaded = load(pipeline)
    logs.configure("doctor", level="critical")  # what goes wrong is found, and told once
    findings = []
    for found in examined(loaded):
        findings.append(found)
        if form == "text":
            click.echo(_line(found))
    faults = sum(found.level == "fault" for found in findings)
    if form == "json":
        click.echo(orjson.dumps([found._asdict() for found in findings], option=orjson.OPT_INDENT_2))
    else:
        warnings = sum(found.level == "warning" for found in findings)
        click.echo(f"{counted(faults, 'fault')}, {counted(warnings, 'warning')}")
    sys.exit(1 if faults else 0)


def _line(found: Finding) -> str:
    remedy = f"\n         → {found.remedy}" if found.remedy else ""
    return f"{_SIGNS[found.level]}  {found.subject}: {found.text}{remedy}"
