"""Half a second where a mail server really has ten minutes."""

from __future__ import annotations

import pytest

from runner.library.mail import conversation

TEN_MINUTES = conversation.END_OF_DATA


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "END_OF_DATA", 0.5)
