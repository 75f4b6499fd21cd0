"""Tell a payer by e-mail what became of a payment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from runner import Message, Receipt, Reject, mask_card_numbers
from runner.library.mail import TIMEOUT, Mail, Mailer, is_one_line
from stages.notification import KINDS

if TYPE_CHECKING:
    from stages.letters import Letters


class SendEmail:
    """One notification, one mail, one recipient; the last stage of the line.

    The mail has a text and an HTML part, and a Message-ID made from the payment's id,
    so that a mail that had to be sent again can be told from a new one.

    `templates`: a folder to use instead of the templates that come with this stage; see
    `stages/letters.py`. All other settings are those of `runner.library.mail.Mailer`.

    Raises Retry, Reject (`bounced: …`), or Pause if nothing can be sent at all.
    """

    def __init__(
        self,
        *,
        server: str,
        port: int,
        default_sender: str,
        use_tls: bool = False,
        use_ssl: bool = False,
        username: str = "",
        password: str = "",
        reply_to: str = "",
        timeout: float = TIMEOUT,
        ca_file: Path | None = None,
        templates: Path | None = None,
    ) -> None:
        self._mailer = Mailer(
            server=server,
            port=port,
            default_sender=default_sender,
            use_tls=use_tls,
            use_ssl=use_ssl,
            username=username,
            password=password,
            reply_to=reply_to,
            timeout=timeout,
            ca_file=ca_file,
        )
        self._folder = templates
        self._letters: Letters | None = None
        if self._folder is not None:
            self._open_letters().prove()

    def __enter__(self) -> Self:
        """Import, and compile the templates, before the first message, which opens the connection."""
        self._open_letters()
        self._mailer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._mailer.__exit__(kind, error, traceback)

    def __call__(self, message: Message) -> Receipt:
        return self._mailer.send(self._mail(message.body))

    def probe(self) -> str:
        """See `Mailer.probe`: for `runner doctor`."""
        return self._mailer.probe()

    def _mail(self, notification: Mapping[str, Any]) -> Mail:
        """The mail, from a notification that is checked first: the schema did that too, but
        the queue that is wired to this stage may have none."""
        payer = str(notification.get("user") or "")
        if notification.get("kind") not in KINDS:
            raise Reject(f"kind must be one of {', '.join(KINDS)}")
        if not re.fullmatch(r"[0-9]{4}", str(notification.get("card"))):
            raise Reject("card must be the last four digits, and no more: a mail never shows a card's number")
        if not all(is_one_line(text) for text in _texts(notification)):
            raise Reject("a text has a line break or another control character, which can't go into a mail")
        if mask_card_numbers(payer) != payer:
            raise Reject("bounced: the payer's address holds a card number, which no mail may show")
        letter = self._open_letters().write(notification)
        mail_id = f"{notification['paymentId']}.{notification['kind']}"
        return Mail(mail_id, payer, letter.subject, letter.text, letter.html)

    def _open_letters(self) -> Letters:
        """Late: Jinja takes a while to import, and `runner check`, which builds every handler,
        has to answer sooner. Checking a user's own templates is worth the wait."""
        if self._letters is None:
            from stages.letters import Letters

            self._letters = Letters(self._folder)
        return self._letters


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
