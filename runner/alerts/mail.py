"""A notice as a mail, by the ready-made stage that sends mails."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime

from runner.alerts.conditions import Notice
from runner.errors import Reject, Retry
from runner.handlers.factory import HandlerFactory
from runner.message import Message


class Mails:
    """To each of `to`; `pipeline` is the name in the subject."""

    name = "mail"

    def __init__(self, pipeline: str, factory: HandlerFactory, to: Sequence[str]) -> None:
        self._pipeline = pipeline
        self._factory = factory
        self._to = to
        self._ended: dict[str, Reject | None] = {}
        """The mails of a notice that were taken, or bounced: whoever got one gets it once."""

    def send(self, notice: Notice) -> None:
        """To every address, whatever becomes of the others. Raises Retry where one is to be tried again, and
        at the end Reject if some have bounced."""
        again: Retry | None = None
        with ExitStack() as left:
            handler = self._factory.build()
            if isinstance(handler, AbstractContextManager):
                left.enter_context(handler)
            for mail in self._mails(notice):
                try:
                    handler(mail)
                except Retry as error:
                    again = error
                except Reject as error:
                    self._ended[mail.id] = error
                else:
                    self._ended[mail.id] = None
        if again is not None:
            raise again
        bounced = [error.reason for error in self._ended.values() if error is not None]
        self._ended.clear()
        if bounced:
            raise Reject(f"for {len(bounced)} of {len(self._to)} addresses: {'; '.join(bounced)}")

    def _mails(self, notice: Notice) -> Sequence[Message]:
        """Those that are still to be sent."""
        subject, text = self._subject(notice), self._text(notice)
        mails = [
            Message(f"{notice.id}-{number}", {"to": to, "subject": subject, "text": text})
            for number, to in enumerate(self._to, start=1)
        ]
        return [mail for mail in mails if mail.id not in self._ended]

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
