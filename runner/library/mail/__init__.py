"""Mail by SMTP, with verified TLS: `SendMail` is a ready stage, `Mailer` is what to build one on.

    send_mail.py     the ready stage: a body → a mail
    mailer.py        a mail → the relay; other stages build on it
    addresses.py     is a text exactly one address that can be mailed to?
    relay.py         the mail server: its settings, and whether they go together
    outbox.py        a connection that stays open from mail to mail
    connection.py    opens one, with verified TLS
    conversation.py  SMTP within limits of time and size
    email.py         a mail as it stands on the wire
    answers.py       an SMTP answer → Retry, Reject or Pause

Names that can be imported from here are public; the modules are not.
"""

from runner.library.mail.addresses import is_one_line
from runner.library.mail.mailer import Mail, Mailer
from runner.library.mail.relay import TIMEOUT
from runner.library.mail.send_mail import SendMail

__all__ = ["TIMEOUT", "Mail", "Mailer", "SendMail", "is_one_line"]
