"""What was promised to the payers, against the gateway's own log and the mails that the relay took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tests.chaos.payers import CARDS, Payment


class Mail(NamedTuple):
    """A mail that the relay took."""

    payment: str
    kind: str
    to: str


class Books(NamedTuple):
    """What has happened: charges by the payment's id, mails, and the ids in the dead letters."""

    charges: Mapping[str, int]
    mails: Sequence[Mail]
    dead: frozenset[str] = frozenset()

    @property
    def duplicates(self) -> int:
        """Mails that came again with the same Message-ID: the relay's answer was lost."""
        return len(self.mails) - len(set(self.mails))


def complaints(payments: Iterable[Payment], books: Books) -> list[str]:
    """A line for each promise that wasn't kept."""
    known: set[str] = set()
    mails: dict[str, set[Mail]] = {}
    for mail in books.mails:
        mails.setdefault(mail.payment, set()).add(mail)
    found: list[str] = []
    for payment in payments:
        known |= payment.ids
        if len(payment.ids) != 1:
            found.append(f"{payment.payer} ({payment.card}) was answered 202 with {len(payment.ids)} ids")
            continue
        [its] = payment.ids
        found += (f"{its}: {what}" for what in _wrong(payment, books.charges.get(its, 0), mails.get(its, set())))
        found += [f"{its}: it is in the dead letters"] if its in books.dead else []
    strangers = sorted(set(books.charges) - known)
    return found + [f"{stranger}: charged, and nobody was ever answered with it" for stranger in strangers]


def outstanding(payments: Iterable[Payment], books: Books) -> int:
    """How many payments have neither a mail nor a dead letter yet."""
    settled = {mail.payment for mail in books.mails} | books.dead
    return sum(1 for payment in payments if not payment.ids <= settled)


def summary(payments: Sequence[Payment], books: Books) -> str:
    wanted = Counter(CARDS[payment.card] for payment in payments)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(wanted.items()))
    return (
        f"{len(payments)} payments ({kinds}): {sum(books.charges.values())} charges, {len(set(books.mails))} mails,"
        f" {books.duplicates} of them came twice (the relay's answer was lost), {len(books.dead)} dead letters"
    )


def _wrong(payment: Payment, charges: int, mails: set[Mail]) -> list[str]:
    kind = CARDS[payment.card]
    due = 1 if kind == "paid" else 0
    found = []
    if charges != due:
        found.append(f"charged {charges} times instead of {due} ({kind}, {payment.payer})")
    if len(mails) != 1:
        found.append(f"{len(mails)} different mails ({', '.join(sorted(mail.kind for mail in mails)) or 'none'})")
    found += [f"the mail says {mail.kind} instead of {kind}" for mail in mails if mail.kind != kind]
    found += [f"the mail went to {mail.to} instead of {payment.payer}" for mail in mails if mail.to != payment.payer]
    return found
