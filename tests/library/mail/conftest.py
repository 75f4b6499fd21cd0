"""Half a second instead of the ten minutes that a mail server really has."""

from __future__ import annotations

import pytest

from runner.library.mail import conversation

TEN_MINUTES = conversation.END_OF_DATA


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "END_OF_DATA", 0.5)
