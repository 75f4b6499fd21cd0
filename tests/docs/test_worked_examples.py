"""Follows every section of every page: creates its files, changes and checks its pipeline, types
its commands, and compares what they print with what the page shows.

The rewirings, the exchanges and the dead letters run on both brokers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, REFERENCE, ROOT, Section, sections
from tests.docs.session import RABBITMQ, Session

EVERY = [section for page in PAGES if page != REFERENCE for section in sections(page) if section.blocks]
ON_BOTH_BROKERS = {ROOT / "docs" / page for page in ("rewiring.md", "exchanges.md", "dead-letters.md")}


def followed(*, on_both_brokers: bool) -> list[Section]:
    """The sections of the pages that are followed on both brokers, or of all others."""
    return [section for section in EVERY if (section.page in ON_BOTH_BROKERS) == on_both_brokers]


def needs_rabbitmq(section: Section) -> bool:
    return any(RABBITMQ in block.text for block in section.blocks if block.language == "console")


@pytest.mark.parametrize("section", followed(on_both_brokers=False), ids=lambda section: section.id)
def test_the_section_does_what_it_says(
    section: Section, tmp_path: Path, venv: Path, request: pytest.FixtureRequest
) -> None:
    rabbitmq = request.getfixturevalue("vhost_url") if needs_rabbitmq(section) else ""
    with Session(tmp_path, venv, rabbitmq=rabbitmq) as session:
        for block in section.blocks:
            session.follow(block)


@pytest.mark.parametrize("broker", ["embedded", "rabbitmq"])
@pytest.mark.parametrize("section", followed(on_both_brokers=True), ids=lambda section: section.title)
def test_the_rewiring_does_what_it_says(
    section: Section, broker: str, tmp_path: Path, venv: Path, request: pytest.FixtureRequest
) -> None:
    rabbitmq = request.getfixturevalue("vhost_url") if broker == "rabbitmq" else ""
    variables = {"BROKER_URL": rabbitmq} if rabbitmq else {}
    with Session(tmp_path, venv, rabbitmq=rabbitmq, variables=variables) as session:
        for block in section.blocks:
            session.follow(block)
