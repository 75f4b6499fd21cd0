"""Letters: what they say, and templates that replace the built-in ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.letters import BUILT_IN, FILES, Letters, money
from stages.notification import KINDS
from tests.stages.notifications import notification


@pytest.fixture(scope="module")
def letters() -> Letters:
    return Letters()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Templates of a user's own."""
    for name in FILES:
        kind, _, form = name.partition(".")
        text = f"Subject: Own {kind}\n\nOwn text for {{{{ user }}}}\n" if form == "txt" else "<p>Own {{ user }}</p>\n"
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "subject", "sentences"),
    [
        ("paid", "Payment received", ["we have received your payment", "Credit Card ending in 3456", "sim_abc"]),
        ("declined", "Payment declined", ["The account doesn't hold enough money.", "Nothing was charged"]),
        ("refused", "Payment not accepted", ["The card has expired.", "Nothing was charged"]),
        ("pending", "Payment in progress", ["the bank is still at work on", "Please do not pay again."]),
        ("refunded", "Payment refunded", ["Your bank may take some days", "2026-11-25 08:00 UTC", "sim_abc"]),
        ("disputed", "Payment disputed", ["has taken", "please tell your bank", "2026-11-25 08:00 UTC"]),
    ],
)
def test_a_letter_says_what_became_of_the_payment(
    letters: Letters, kind: str, subject: str, sentences: list[str]
) -> None:
    letter = letters.write(notification(kind).body)

    assert letter.subject == subject
    for sentence in sentences:
        assert sentence in letter.text
        assert sentence in letter.html.replace("&#39;", "'")
    assert "None" not in letter.text + letter.html
    assert "ending in 3456" in letter.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_letter_names_amount_and_reference_where_they_are_known(letters: Letters, kind: str) -> None:
    letter = letters.write(notification(kind, amount=199900, currency="EUR", reference="Order <1138>").body)

    assert letter.subject.endswith(": EUR 1,999.00")
    assert "EUR 1,999.00" in letter.text
    assert "Order <1138>" in letter.text
    assert "EUR 1,999.00" in letter.html
    assert "Order &lt;1138&gt;" in letter.html


def test_a_letter_without_an_amount_shows_no_empty_line_for_it(letters: Letters) -> None:
    letter = letters.write(notification("paid").body)

    assert "Amount" not in letter.text
    assert "\n\n\n" not in letter.text


@given(st.text(max_size=40))
def test_nothing_that_is_put_in_is_ever_html(text: str) -> None:
    letters = _LETTERS.setdefault("built-in", Letters())
    plain = letters.write(notification("refused", reference="x").body).html
    html = letters.write(notification("refused", reference=f"<b onclick='{text}'>\"&").body).html

    assert html.count("<") == plain.count("<")


_LETTERS: dict[str, Letters] = {}


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1, "EUR", "EUR 0.01"),
        (1999, "EUR", "EUR 19.99"),
        (123456789, "USD", "USD 1,234,567.89"),
        (1999, "JPY", "JPY 1,999"),
        (1999, "KWD", "KWD 1.999"),
        (10005, "CLF", "CLF 1.0005"),
    ],
)
def test_money_has_the_decimals_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert money(amount, currency) == text


def test_the_built_in_templates_are_proved() -> None:
    Letters().prove()


def test_templates_of_ones_own_take_the_place_of_the_built_in_ones(folder: Path) -> None:
    letters = Letters(folder)
    letters.prove()

    letter = letters.write(notification("declined").body)
    assert letter == ("Own declined", "Own text for test-user@example.com\n", "<p>Own test-user@example.com</p>\n")


def test_templates_of_ones_own_may_extend_the_built_in_frame(folder: Path) -> None:
    shutil.copy(BUILT_IN / "paid.html", folder / "paid.html")

    assert "Payment received" in Letters(folder).write(notification("paid").body).html


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("paid.txt", None, "has no paid.txt; it needs paid.txt, paid.html, pending.txt"),
        ("refused.html", None, "has no refused.html"),
        ("paid.html", "a\n{% if %}", "paid.html:2: Expected an expression"),
        ("declined.txt", "Dear payer\n", "the first line of declined.txt must be 'Subject: …'"),
        ("declined.html", "{{ amuont }}", "declined.html: 'amuont' is undefined"),
        ("paid.txt", "Subject: Hi {{ cardNo }}\n", "paid.txt: 'cardNo' is undefined"),
        ("paid.html", "{% extends 'frame.html' %}", "paid.html: 'frame.html' not found"),
        ("paid.txt", "Subject: {{ card + 1 }}\n", "paid.txt: can only concatenate str"),
    ],
)
def test_a_template_that_does_not_work_is_found_before_any_payer_is_written_to(
    folder: Path, name: str, content: str | None, sentence: str
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)

    with pytest.raises(ValueError, match="templates: ") as raised:
        Letters(folder).prove()
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    "card",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111  1111  1111  1111",
        "4111/1111/1111/1111",
        "4111_1111_1111_1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111\u20091111\u20131111 - 1111",
        "4,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
        "order-4111111111111111",
        "\uff14\uff11\uff11\uff11 1111 1111 1111",
    ],
)
@pytest.mark.parametrize("field", ["paymentId", "paymentType", "reference", "user", "reason", "chargeId"])
def test_no_field_brings_a_card_number_into_a_letter(folder: Path, card: str, field: str) -> None:
    for name in FILES:
        subject = "Subject: " if name.endswith(".txt") else ""
        (folder / name).write_text(f"{subject}{{{{ {field} }}}}\n\n{{{{ {field} }}}}\n")
    outcome: dict[str, Any] = {
        "reason": {"decline": {"code": "x", "reason": card}},
        "chargeId": {"charge": {"id": card, "time": "2026-11-22T23:45:10Z"}},
    }
    kind = "paid" if field == "chargeId" else "declined"
    letter = Letters(folder).write(notification(kind, **outcome.get(field, {field: card})).body)

    for text in letter:
        assert "••••1111" in text
        assert card not in text


def test_what_is_no_card_number_stays_in_a_letter(letters: Letters) -> None:
    for payment_id in ("83d8f22200154122a0cbee044964e5df", "12345678901234567890123456789abc"):
        letter = letters.write(notification("paid", paymentId=payment_id, reference="Order 2026-11-23, 1138").body)
        assert payment_id in letter.text
        assert "Order 2026-11-23, 1138" in letter.text
        assert "2026-11-22 23:45 UTC" in letter.text


def test_every_built_in_template_is_one_that_is_used() -> None:
    unused: set[Any] = {file.name for file in BUILT_IN.iterdir()} - {*FILES, "base.html"}

    assert not unused
