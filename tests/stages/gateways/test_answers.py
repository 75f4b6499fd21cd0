"""What an HTTP answer means: by the rules of the settings first, and then by its status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import Pause, Reject, Retry
from stages.gateways import Approved, Declined, Pending, Refused, Result
from stages.gateways.answers import DEFAULT_ANSWERS, at, rules, understood
from stages.gateways.exchange import Answer

CARD = "4242424242424242"
STRIPES: list[Mapping[str, Any]] = [
    {"where": {"/status": "succeeded"}, "means": "paid", "id": "/latest_charge"},
    {"where": {"/status": ["processing", "requires_capture"]}, "means": "pending"},
    {"status": 402, "where": {"/error/type": "card_error"}, "means": "declined", "code": "/error/code"},
    {"status": [400, 422], "where": {"/error/code": "bad_card"}, "means": "refused", "reason": "/error/words"},
]


def said(status: int, body: Any = None, *, kind: str = "application/json", **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": kind, **named}, content)


def means(answer: Answer, written: list[Mapping[str, Any]] | None = None) -> Result:
    return understood(answer, rules(DEFAULT_ANSWERS if written is None else written))


# -- Rules --------------------------------------------------------------------------


def test_a_gateway_that_answers_in_our_words_needs_no_rules() -> None:
    paid = means(said(201, {"status": "paid", "id": "ch_1"}))
    assert isinstance(paid, Approved)
    assert paid.id == "ch_1"
    assert paid.time.tzinfo is not None
    assert means(said(202, {"status": "pending"})) == Pending()
    assert means(said(402)) == Declined("declined", "The bank declined the card.")
    declined = {"status": "declined", "code": "expired_card", "reason": "The card has expired."}
    assert means(said(200, declined)) == Declined("expired_card", "The card has expired.")
    assert means(said(200, {"status": "refused"})) == Refused("refused", "The payment was not accepted.")


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (said(200, {"status": "processing"}), Pending()),
        (said(202, {"status": "requires_capture"}), Pending()),
        (
            said(402, {"error": {"type": "card_error", "code": "Insufficient-Funds"}}),
            Declined("insufficient_funds", "The bank declined the card."),
        ),
        (said(422, {"error": {"code": "bad_card", "words": "No such card."}}), Refused("refused", "No such card.")),
    ],
)
def test_the_rules_of_the_settings_say_what_an_answer_means(answer: Answer, result: Result) -> None:
    assert means(answer, STRIPES) == result


def test_a_rule_takes_its_id_from_where_it_says() -> None:
    paid = means(said(200, {"id": "pi_1", "status": "succeeded", "latest_charge": "ch_2"}), STRIPES)
    assert isinstance(paid, Approved)
    assert paid.id == "ch_2"


@pytest.mark.parametrize(
    "answer",
    [
        said(200, {"status": "paid", "id": "ch_1"}, kind="text/html"),
        said(200, b"<html>status: paid</html>", kind="text/html; charset=utf-8"),
        said(200, b'{"status": "paid", "id": "ch'),
        said(200, b"\xff\xfe\x00"),
        said(200, b"[" * 60_000),
        said(200, b'{"status": "declined", "status": "paid", "id": "ch_1"}'),
        said(200, b'{"status": "paid", "id": "ch_1", "more": [{"a": 1, "a": 2}]}'),
        said(200, b""),
        said(204, b""),
        said(200, {"status": "surprise"}),
        said(200, {"status": "paid"}),
        said(200, {"status": "paid", "id": {"a": 1}}),
        said(200, {"status": "paid", "id": "a b"}),
        said(200, {"status": "paid", "id": "x" * 101}),
        said(200, ["paid"]),
        said(200, None),
        said(500, {"status": "paid", "id": "ch_1"}),
        said(503),
        said(504),
        said(408),
        said(425),
        said(599),
    ],
)
def test_what_settles_nothing_is_unknown_and_asked_again(answer: Answer) -> None:
    with pytest.raises(Retry, match="whether the card was charged is unknown until it is asked again"):
        means(answer)


@pytest.mark.parametrize("text", ["a\nb", "Card 4242 4242 4242 4242", "\x1b[31mred", "", "   ", 7, None, ["a"]])
def test_the_payer_is_told_nothing_that_no_mail_may_show(text: Any) -> None:
    result = means(said(402, {"reason": text, "code": text}))
    assert isinstance(result, Declined)
    assert result.reason in ("The bank declined the card.", "a b")
    assert "4242" not in result.code


def test_a_long_reason_is_cut() -> None:
    result = means(said(402, {"reason": "x" * 301}))
    assert result == Declined("declined", "x" * 300)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"mean": "paid"}, "'mean' in entry 1 is unknown; known: means, status, where, id, code, reason"),
        ({}, "'means' of entry 1 must be one of paid, pending, declined, refused"),
        ({"means": "charged"}, "'means' of entry 1 must be one of"),
        ({"means": "paid", "status": 99}, "'status' of entry 1 must be a number from 200 to 599"),
        ({"means": "paid", "status": ["200"]}, "'status' of entry 1 must be"),
        ({"means": "paid", "where": ["/a"]}, "entry 1 must name values by JSON Pointers"),
        ({"means": "paid", "where": {"status": "a"}}, "entry 1 must name values by JSON Pointers"),
        ({"means": "paid", "id": "id"}, "entry 1 must name values by JSON Pointers, such as /error/code"),
        ({"means": "paid", "id": 5}, "entry 1 must name values by JSON Pointers"),
    ],
)
def test_a_rule_that_can_not_be_read_is_an_error_of_the_settings(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        rules([wrong])


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"a": [1, {"b/c": 2, "~": 3}]}),
        ("/a/0", 1),
        ("/a/1/b~1c", 2),
        ("/a/1/~0", 3),
        ("/a/2", None),
        ("/a/-1", None),
        ("/a/01", None),
        ("/a/0/x", None),
        ("/z", None),
    ],
)
def test_a_json_pointer_leads_to_its_value(pointer: str, value: Any) -> None:
    assert at({"a": [1, {"b/c": 2, "~": 3}]}, pointer) == value


# -- Statuses -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 406, 412, 413, 415, 418, 422, 451])
def test_a_request_that_the_gateway_does_not_accept_is_a_dead_letter(status: int) -> None:
    with pytest.raises(Reject, match=f"doesn't accept the request: {status}"):
        means(said(status, {"error": "amount must be an integer"}))


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_refused_log_in_is_no_fault_of_the_message(status: int) -> None:
    with pytest.raises(Pause, match=rf"refuses us: {status}\. Correct the headers"):
        means(said(status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 404, 405, 410])
def test_a_wrong_address_is_no_fault_of_the_message(status: int) -> None:
    with pytest.raises(Pause, match=rf"isn't at this address: {status}\. Correct url"):
        means(said(status, location="https://elsewhere.example.com"))


def test_a_charge_that_is_in_flight_is_asked_for_again() -> None:
    with pytest.raises(Retry, match="still at work on this charge: 409"):
        means(said(409))


@pytest.mark.parametrize("status", [409, 429, 500, 503])
@pytest.mark.parametrize(
    ("header", "delay"),
    [("7", 7), (" 7 ", 7), ("0", 0), ("999999999", 86400), ("-1", 0), ("soon", 0), ("", 0), ("1e3", 0)],
)
def test_a_gateway_says_when_to_come_back(status: int, header: str, delay: float) -> None:
    with pytest.raises(Retry) as raised:
        means(said(status, retry_after=header))
    assert (raised.value.delay, raised.value.at_least) == (None, delay)


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"])
def test_a_gateway_may_say_it_by_a_date_in_each_form_of_the_standard(form: str) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Retry) as later:
        means(said(503, retry_after=(now + timedelta(minutes=5)).strftime(form)))
    with pytest.raises(Retry) as past:
        means(said(503, retry_after=format_datetime(now - timedelta(minutes=5), usegmt=True)))
    assert 200 < later.value.at_least <= 300
    assert past.value.at_least == 0


def test_a_refused_log_in_waits_as_long_as_the_gateway_asks_for() -> None:
    with pytest.raises(Pause) as raised:
        means(said(403, retry_after="120"))
    assert raised.value.delay == 120


def test_what_the_gateway_repeats_of_the_card_is_not_shown() -> None:
    with pytest.raises(Reject) as raised:
        means(said(400, {"error": f"invalid number {CARD}, or 4242 4242-4242 4242"}))
    assert "••••4242" in raised.value.reason
    assert "42424" not in raised.value.reason.replace(" ", "")


@pytest.mark.parametrize("repeated", [CARD, "buyer@example.com"])
@pytest.mark.parametrize("filler", ["x", "\n"])
def test_what_the_gateway_repeats_is_not_cut_in_two(repeated: str, filler: str) -> None:
    for place in (*range(250, 300), *range(970, 1000)):
        with pytest.raises(Reject) as raised:
            means(Answer(400, {}, b"no: " + filler.encode() * place + f" {repeated}".encode()))
        shown = raised.value.reason.replace(repeated, "").replace("••••4242", "")
        assert not shown.rstrip("x ").endswith(tuple(repeated[:size] for size in range(3, len(repeated))))


@pytest.mark.parametrize("id", [True, [1], {"a": 1}, 1.5])
def test_an_id_that_is_neither_text_nor_a_whole_number_is_none(id: object) -> None:
    with pytest.raises(Retry, match="no answer that settles the charge"):
        means(said(201, {"status": "paid", "id": id}))


@pytest.mark.parametrize(("said_so", "asked_for"), [(1, True), (True, 1), (0, False)])
def test_true_is_not_1(said_so: object, asked_for: object) -> None:
    found = rules([{"where": {"/captured": asked_for}, "means": "pending"}])
    with pytest.raises(Retry):
        understood(said(200, {"captured": said_so}), found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["paid", "pending", "ch_1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["status", "id", "code", "reason"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.integers(200, 999), JSON, st.text(max_size=12))
def test_every_answer_is_a_result_or_an_order(status: int, body: Any, retry_after: str) -> None:
    try:
        result = means(said(status, body, retry_after=retry_after))
    except (Retry, Reject, Pause):
        return
    assert isinstance(result, Approved | Declined | Refused | Pending)
