"""A ready stage: each body that it takes is one mail."""

from __future__ import annotations

from collections.abc import Mapping

from runner import Message, Receipt, Reject
from runner.library.mail.mailer import Mail, Mailer

_NEEDED = ("to", "subject", "text")


class SendMail(Mailer):
    """Sends `{"to": …, "subject": …, "text": …, "html": …}` as a mail; the end of a line.

    `html` may be left out; other members are ignored. The Message-ID is made from the
    message's id, so that a mail that had to be sent again can be told from a new one.
    The settings are those of `Mailer`.

    Raises Retry, Reject (`bounced: …`, or a body that is not a mail), or Pause if nothing
    can be sent at all.
    """

    def __call__(self, message: Message) -> Receipt:
        return self.send(_mail(message))


def _mail(message: Message) -> Mail:
    """The queue's schema may have checked all this; but a queue needn't have one."""
    body = message.body
    if not isinstance(body, Mapping):
        raise Reject("the body is not a mail: it must be an object with to, subject and text")
    html = body.get("html", "")
    for name, value in (*((name, body.get(name)) for name in _NEEDED), ("html", html)):
        if not isinstance(value, str):
            raise Reject(f"the body is not a mail: {name} must be text")
    return Mail(message.id, body["to"], body["subject"], body["text"], html)
