"""Every pipeline file that is shipped or shown passes its schema in a validator that isn't ours,
as it is written: with its variables. Editors check the same way.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import PAGES, REFERENCE, ROOT, sections
from tests.docs.session import change

SCHEMA = ROOT / "runner/pipeline.schema.json"
SHIPPED = [ROOT / "pipeline.yaml", *sorted((ROOT / "runner/starter").glob("*/pipeline.yaml"))]


def validated(*files: Path) -> subprocess.CompletedProcess[str]:
    """By check-jsonschema, which takes YAML."""
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), *map(str, files)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def documents() -> Iterator[str]:
    """The pipelines of every page, each change made to the one that stands before it."""
    for page in PAGES:
        for section in sections(page):
            document: Any = yaml.safe_load((ROOT / "pipeline.yaml").read_text(encoding="utf-8"))
            for block in section.blocks:
                if block.language == "yaml" and (page == REFERENCE or block.mark in ("pipeline", "shipped")):
                    document = yaml.safe_load(block.text)
                elif block.mark == "change":
                    change(document, copy.deepcopy(yaml.safe_load(block.text)) or {}, block.argument)
                else:
                    continue
                yield yaml.safe_dump(document, sort_keys=False)


def test_every_file_that_is_shipped_is_valid() -> None:
    assert len(SHIPPED) == 3
    result = validated(*SHIPPED)
    assert result.returncode == 0, result.stdout


def test_every_pipeline_that_a_page_shows_is_valid(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.yaml" for number, _ in enumerate(documents())]
    for file, text in zip(files, documents(), strict=True):
        file.write_text(text)
    assert len(files) > 15
    result = validated(*files)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("listen: ${LISTEN:-127.0.0.1:5000}", "listen: 5000"),
        ("concurrency: 4", "concurrency: many"),
        ("attempts: 8", "attempts: 0"),
        ("max_delay: 15m", "max_delay: soon"),
        ("name: payments", "name: two words"),
        ("publish: payment_queue", "published: payment_queue"),
    ],
)
def test_what_is_wrong_without_a_variable_is_still_wrong(tmp_path: Path, written: str, instead: str) -> None:
    text = (ROOT / "pipeline.yaml").read_text(encoding="utf-8")
    assert written in text
    (tmp_path / "pipeline.yaml").write_text(text.replace(written, instead, 1))
    assert validated(tmp_path / "pipeline.yaml").returncode == 1
