"""A notice as a mail, by the ready-made stage that sends mails."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime

from runner.alerts.conditions import Notice
from runner.handlers.factory import HandlerFactory
from runner.message import Message


class Mails:
    """To each of `to`; `pipeline` is the name in the subject."""

    name = "mail"

    def __init__(self, pipeline: str, factory: HandlerFactory, to: Sequence[str]) -> None:
        self._pipeline = pipeline
        self._factory = factory
        self._to = to
        self._done: set[str] = set()
        """The ids of mails that were taken: where one of several recipients fails, the others get it once."""

    def send(self, notice: Notice) -> None:
        with ExitStack() as left:
            handler = self._factory.build()
            if isinstance(handler, AbstractContextManager):
                left.enter_context(handler)
            for number, to in enumerate(self._to, start=1):
                mail = f"{notice.id}-{number}"
                if mail not in self._done:
                    handler(Message(mail, {"to": to, "subject": self._subject(notice), "text": self._text(notice)}))
                    self._done.add(mail)
        self._done.clear()

    def _subject(self, notice: Notice) -> str:
        return f"[{self._pipeline}] {notice.text}"

    def _text(self, notice: Notice) -> str:
        began, at = (
            f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC" for moment in (notice.since, notice.at)
        )
        lines = [
            f"Pipeline:   {self._pipeline}",
            f"Condition:  {notice.key.condition}" + (f" of {notice.key.subject}" if notice.key.subject else ""),
            f"State:      {'firing' if notice.firing else 'over'}",
            f"Since:      {began}",
            f"Told:       {at}",
        ]
        return "\n".join([notice.text, "", *lines, ""])
