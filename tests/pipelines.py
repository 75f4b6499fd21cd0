"""Small pipelines for tests that run in this process."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.loader import LoadedPipeline, load


def write(folder: Path, text: str, schemas: Mapping[str, Any] | None = None) -> Path:
    """A pipeline file in `folder`, with its schema files; its path."""
    for name, schema in (schemas or {}).items():
        (folder / name).write_text(json.dumps(schema))
    file = folder / "pipeline.yaml"
    file.write_text(textwrap.dedent(text).replace("BROKER", f"embedded:{folder / 'broker.db'}"))
    return file


def loaded(folder: Path, text: str, schemas: Mapping[str, Any] | None = None) -> LoadedPipeline:
    """The same, loaded."""
    return load(write(folder, text, schemas))


def loaded_with_keys(folder: Path, text: str, schemas: Mapping[str, Any] | None = None) -> LoadedPipeline:
    """The same, with the keys that it seals with."""
    made = loaded(folder, text, schemas)
    assert made.sealer is not None
    made.sealer.prepare(production=False)
    return made
