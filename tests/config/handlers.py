"""Handlers for the pipelines of these tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from runner import Message


def take(message: Message) -> None:
    """A handler without settings."""


class Send:
    """A handler with settings of every kind."""

    def __init__(
        self,
        *,
        server: str,
        port: int = 25,
        timeout: float = 10.0,
        tls: bool = False,
        password: str = "",
        mode: Literal["plain", "html"] = "plain",
        cards: list[str] | None = None,
        headers: dict[str, str] | None = None,
        templates: Path | None = None,
        anything: Any = None,
    ) -> None:
        if timeout <= 0:
            raise ValueError("timeout must be more than 0 seconds")
        if server == "nowhere":
            raise OSError("no such\n\x1b[31mplace")
        self.settings = dict(locals())

    def __call__(self, message: Message) -> None: ...
