"""What the handlers of one test have seen."""

from __future__ import annotations

import pytest

from tests.worker.handlers import Noting, Recorder
from tests.worker.remembering import Scripted


@pytest.fixture(autouse=True)
def seen() -> Recorder:
    Noting.seen = Recorder()
    Scripted.do = lambda message: message.body
    return Noting.seen
