"""The file of a day's results: one document for each benchmark, the latest run of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.record import Record


def write(file: Path, record: Record) -> None:
    """Put a benchmark's outcome into the file, replacing an earlier one."""
    documents = read(file)
    documents[record.benchmark.name] = record.as_json()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(documents, indent=2, ensure_ascii=False) + "\n")


def read(file: Path) -> dict[str, Mapping[str, Any]]:
    """The benchmarks in the file, by name; none if there is no file."""
    if not file.exists():
        return {}
    documents: dict[str, Mapping[str, Any]] = json.loads(file.read_text())
    return documents
