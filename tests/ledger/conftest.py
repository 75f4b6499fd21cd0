"""A ledger in each of the databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner.ledger.ledger import Ledger


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """Open, and as empty as it is made; it forgets nothing."""
    found = Ledger(ledger_url)
    yield found.open(timeout=30.0)
    found.close()
