"""Tell a payer by e-mail what became of a payment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from runner import Message, Reject
from stages.addresses import bare_address
from stages.relay import Relay

if TYPE_CHECKING:
    from stages.letters import Letters
    from stages.smtp import Email, Outbox

_KINDS = ("paid", "declined", "refused")
_SENDER = re.compile(r"(?:(?P<name>[^<>]*?)\s*<(?P<inner>[^<>]*)>|(?P<bare>[^<>]*))")


class SendEmail:
    """One notification, one mail, one recipient; the last stage of the line.

    The mail has a text and an HTML part, and a Message-ID that follows from the
    payment's id, so that one that had to be sent again can be told from a new one.
    The connection to the mail server is kept from mail to mail, and opened anew
    when it has died.

    `server`, `port`, `use_tls` (STARTTLS), `use_ssl` (TLS from the first byte),
    `username` and `password`, `default_sender` (`Shop <shop@example.com>`): as in
    Flask-Mail. Certificates are verified; `ca_file` (PEM) names the authorities to
    trust instead of the system's. `timeout`: seconds that the server may take for an
    answer. `reply_to`: where answers go.
    `templates`: a folder to use instead of the templates that come with this stage; see
    `stages/letters.py`. Both paths are found from the pipeline file.

    Raises Retry, Reject (`bounced: …`), or Pause where nothing can be sent at all.
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
        timeout: float = 10.0,
        ca_file: Path | None = None,
        templates: Path | None = None,
    ) -> None:
        self._relay = Relay(server, port, use_tls, use_ssl, username, password, timeout, ca_file)
        self._sender = _sender("default_sender", default_sender)
        self._reply_to = _sender("reply_to", reply_to) if reply_to else None
        self._folder = templates
        self._letters: Letters | None = None
        self._outbox: Outbox | None = None
        self._blank: Email | None = None
        if self._folder is not None:
            self._open_letters().prove()

    def __enter__(self) -> Self:
        """Import, and compile the templates, before the first message; the connection waits for it."""
        self._open_letters()
        self._open_outbox()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._outbox is not None:
            self._outbox.close()

    def __call__(self, message: Message) -> None:
        self._open_outbox().send(self._email(message.body))

    def _email(self, notification: Mapping[str, Any]) -> Email:
        """The mail, from a notification that is looked through first: the schema has done
        so too, but a queue may be wired to this stage that has none."""
        if notification.get("kind") not in _KINDS:
            raise Reject(f"kind must be one of {', '.join(_KINDS)}")
        if not re.fullmatch(r"[0-9]{4}", str(notification.get("card"))):
            raise Reject("card must be the last four digits, and no more: a mail never shows a card's number")
        if any(_has_control(text) for text in _texts(notification)):
            raise Reject("a text has a line break or another control character, which can't go into a mail")
        try:
            recipient = bare_address(notification.get("user"))
        except ValueError as error:
            raise Reject(f"bounced: {error}") from error
        letter = self._open_letters().write(notification)
        email = copy(self._blank_email())
        email.recipients = [("", recipient)]
        email.subject, email.body, email.alts = letter.subject, letter.text, {"html": letter.html}
        email.msgId = self._message_id(notification["paymentId"], notification["kind"])
        return email

    def _message_id(self, payment_id: str, kind: str) -> str:
        """RFC 5322, section 3.6.4: `<payment.kind@domain>`. An id that others gave, and that
        can't stand there, is hashed."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", payment_id) or len(payment_id) > 100:
            from hashlib import sha256  # seldom needed, and it loads OpenSSL

            payment_id = sha256(payment_id.encode()).hexdigest()[:32]
        return f"<{payment_id}.{kind}@{self._sender[1].rpartition('@')[2]}>"

    # -- Opened late: Flask and Jinja take 0.3 s to import, and `runner check`, which builds
    # -- every handler, has to answer sooner. A folder of the user's own templates is worth it.

    def _open_letters(self) -> Letters:
        if self._letters is None:
            from stages.letters import Letters

            self._letters = Letters(self._folder)
        return self._letters

    def _open_outbox(self) -> Outbox:
        if self._outbox is None:
            from stages.smtp import Outbox

            self._outbox = Outbox(self._relay)
        return self._outbox

    def _blank_email(self) -> Email:
        """Made once and copied: making one asks the DNS for this machine's name each time."""
        if self._blank is None:
            from stages.smtp import Email

            self._blank = Email(
                sender=self._sender,
                reply_to=self._reply_to,
                headers={"Auto-Submitted": "auto-generated"},  # RFC 3834
            )
        return self._blank


def _sender(setting: str, text: str) -> tuple[str, str]:
    """Name and address of `Shop <shop@example.com>`, or of the address alone."""
    match = _SENDER.fullmatch(text.strip())
    if match is None or _has_control(text):
        raise ValueError(f"{setting} must be an address, or: Name <address>")
    try:
        address = bare_address(match["bare"] if match["inner"] is None else match["inner"])
    except ValueError as error:
        raise ValueError(f"{setting}: {error}; write shop@example.com, or: Shop <shop@example.com>") from error
    return (match["name"] or "").strip('" '), address


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)


def _has_control(text: str) -> bool:
    """Whether any mail program might take a character of `text` for a line's end or worse."""
    return re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text) is not None
