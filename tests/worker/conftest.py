"""What the handlers of one test have seen."""

from __future__ import annotations

import pytest

from tests.worker.handlers import Noting, Recorder


@pytest.fixture(autouse=True)
def seen() -> Recorder:
    Noting.seen = Recorder()
    return Noting.seen
