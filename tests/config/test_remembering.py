"""What only a ledger can do, and what is recorded of a result."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

import pytest

from tests.config.files import MARK, changed, check_problems, problems_of

pytestmark = pytest.mark.usefixtures("any_schema")

LEDGER = "ledger: sqlite:l.db"
NEEDS = "needs a ledger; add 'ledger: sqlite:var/ledger.db'"


@pytest.mark.parametrize(
    ("marked", "who"),
    [
        (changed("publish: a}", "publish: a, ¦status: '/m/{id}'}"), "route POST /in: status"),
        (changed("publish: a}", "publish: a, ¦idempotency: optional}"), "route POST /in: idempotency"),
        (changed("publish: a}", "publish: a, ¦auth: api_key}"), "route POST /in: auth"),
        (changed("publish: a}", "publish: a, ¦rate_limit: 1/s}"), "route POST /in: rate_limit"),
        (changed("consume: b", "consume: b, ¦once: true"), "stage two: once"),
        (changed("consume: b", "consume: b, ¦settles: /id"), "stage two: settles"),
        (changed("consume: b", "consume: b, ¦record: {mail: sent}"), "stage two: record"),
    ],
)  # fmt: skip
def test_what_is_remembered_needs_a_ledger(marked: str, who: str) -> None:
    check_problems(marked, [f"{who} {NEEDS}"], "error")
    text = f"{marked.replace(MARK, '')}{LEDGER}\n"
    assert [problem.message for problem in problems_of(text) if NEEDS in problem.message] == []


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (changed("consume: b", "consume: b, ¦on_unknown: park", LEDGER), "stage two: on_unknown says nothing without 'once: true'"),
        (changed("consume: b", "consume: b, ¦key_lifetime: 1d", LEDGER), "stage two: key_lifetime says nothing without 'once: true'"),
        (changed("consume: c", "consume: c, ¦settles: /id", LEDGER), "stage end: settles points into the result, but the stage publishes none"),
        (changed("consume: c", "consume: c, record: {mail: ¦/kind}", LEDGER), "stage end: record.mail points into the result, but the stage publishes none; write a text, such as sent"),
    ],
)  # fmt: skip
def test_what_can_never_be_remembered_is_an_error(marked: str, message: str) -> None:
    check_problems(marked, [message], "error")
