"""What the chaos test complains of: so that its silence means something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.accounting import Books, Mail, complaints, outstanding, summary
from tests.chaos.house import House
from tests.chaos.payers import CARDS, Payment

PAID, DECLINED, REFUSED = "4242424242424242", "4000000000000002", "4242424242424241"
A, B = "a" * 32, "b" * 32


def payment(card: str = PAID, *ids: str) -> Payment:
    return Payment("zoe@example.com", card, ids=set(ids or (A,)))


def mail(kind: str = "paid", id: str = A, to: str = "zoe@example.com") -> Mail:
    return Mail(id, kind, to)


@pytest.mark.parametrize(("card", "charges"), [(PAID, {A: 1}), (DECLINED, {}), (REFUSED, {})])
def test_what_is_as_promised_is_no_complaint(card: str, charges: dict[str, int]) -> None:
    assert complaints([payment(card)], Books(charges, [mail(CARDS[card])])) == []


@pytest.mark.parametrize(
    ("paid", "books", "complaint"),
    [
        (payment(), Books({A: 2}, [mail()]), "charged 2 times instead of 1"),
        (payment(), Books({}, [mail()]), "charged 0 times instead of 1"),
        (payment(DECLINED), Books({A: 1}, [mail("declined")]), "charged 1 times instead of 0"),
        (payment(), Books({A: 1}, []), "0 different mails"),
        (payment(), Books({A: 1}, [mail(), mail("declined")]), "2 different mails (declined, paid)"),
        (payment(), Books({A: 1}, [mail("refused")]), "says refused instead of paid"),
        (payment(), Books({A: 1}, [mail(to="max@example.com")]), "went to max@example.com instead of zoe"),
        (payment(), Books({A: 1}, [mail()], frozenset([A])), "in the dead letters"),
        (payment(), Books({A: 1, B: 1}, [mail()]), f"{B}: charged, and nobody was ever answered with it"),
        (payment(PAID, A, B), Books({A: 1}, [mail()]), "was answered 202 with 2 ids"),
    ],
)
def test_what_is_otherwise_is_a_complaint(paid: Payment, books: Books, complaint: str) -> None:
    assert complaint in "\n".join(complaints([paid], books))


def test_one_who_was_never_answered_is_a_complaint() -> None:
    never = Payment("zoe@example.com", PAID)
    assert "answered 202 with 0 ids" in complaints([never], Books({}, []))[0]


def test_a_mail_that_came_twice_is_counted_and_said() -> None:
    books = Books({A: 1}, [mail(), mail()])
    assert complaints([payment()], books) == []
    assert "1 mails, 1 of them came twice" in summary([payment()], books)


def test_a_payment_is_outstanding_until_its_mail_or_its_dead_letter_is_there() -> None:
    assert outstanding([payment()], Books({}, [])) == 1
    assert outstanding([payment()], Books({}, [mail()])) == 0
    assert outstanding([payment()], Books({}, [], frozenset([A]))) == 0


def test_mails_are_read_from_the_mailbox(tmp_path: Path) -> None:
    house = House(tmp_path, "embedded:var/broker.db", f"embedded:{tmp_path}/var/broker.db", "sqlite:var/ledger.db")
    mails = tmp_path / "var/mailbox/new"
    mails.mkdir(parents=True)
    (mails / "1").write_text(
        f"Return-Path: <a@b.example>\nTo: zoe@example.com\nMessage-ID: <{A}.paid@example.com>\n\n{B}"
    )
    assert house._mails() == [mail()]
