"""What becomes of a delivery, decided without a broker."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import ANY

import pytest

from runner.errors import KeysError, Pause, PublishError, Reject, Retry, UnknownKeyError
from runner.message import (
    ATTEMPT,
    ERROR,
    FIRST_ERROR,
    LONGEST_ERROR,
    QUEUE,
    STAGE,
    TIME,
    TRACEBACK,
    Delivery,
    Destination,
    Outgoing,
    Receipt,
    Session,
    last_error,
)
from runner.message import SEALED as SEALED_WHOLE
from runner.pipeline import Pipeline, Queue, Route, Stage
from runner.privacy.keyset import make_keys
from runner.privacy.sealed import read_token
from runner.privacy.sealing import Sealer
from runner.retry import RetryPolicy
from runner.routing import Router
from runner.topology import plan
from runner.validation.schema import Schema
from runner.worker.first_failure import without
from runner.worker.outcome import LONGEST_TRACEBACK, Decider, Fate

POLICY = RetryPolicy(attempts=3, delay=2.0, factor=3.0, max_delay=300.0)
CARD = "4111111111111111"


def to(*names: str, when: Mapping[str, Any] | None = None) -> Route:
    return Route(tuple(Destination("", name) for name in names), when)


def decider(*routes: Route, schemas: Mapping[str, Schema] | None = None) -> Decider:
    stage = Stage("charge", "in", "module:handler", publish=routes, retry=POLICY)
    queues = {name: Queue(name) for name in ("in", "out", "other")}
    pipeline = Pipeline("test", Path("/p.yaml"), ("embedded:/x",), queues, {"charge": stage})
    schemas = schemas or {}
    return Decider(stage, schemas.get("in"), Router(routes, plan(pipeline), schemas))


def delivery(
    body: object = None, *, attempt: int = 1, headers: Mapping[str, Any] | None = None, deaths: int = 0
) -> Delivery:
    payload = body if isinstance(body, bytes) else json.dumps(body if body is not None else {"n": 1}).encode()
    return Delivery("in", "id-1", payload, headers or {}, attempt, Session(), 1, deaths=deaths)


def the_only(messages: Any) -> Outgoing:
    (message,) = messages
    assert isinstance(message, Outgoing)
    return message


# -- done -------------------------------------------------------------------------------


def test_a_body_goes_on_under_its_own_id_with_its_senders_headers() -> None:
    messages = decider(to("out")).done(delivery(headers={"trace": "abc"}), {"ok": True})
    message = the_only(messages)
    assert (message.destination, message.id, message.payload) == (Destination("", "out"), "id-1", b'{"ok":true}')
    assert message.headers == {"trace": "abc"}


def test_a_handler_finds_a_requests_headers_in_any_case_and_they_go_on_as_they_came() -> None:
    taken = delivery(headers={"http-x-request-id": "r-1", "trace": "abc"})
    message = decider(to("out")).message(taken)
    assert (message.headers["X-Request-ID"], message.headers["trace"]) == ("r-1", "abc")
    with pytest.raises(TypeError):
        message.headers["trace"] = "other"  # type: ignore[index]
    assert the_only(decider(to("out")).done(taken, {})).headers == taken.headers


def test_a_body_goes_to_every_queue_of_its_route() -> None:
    messages = decider(to("out", "other")).done(delivery(), {})
    assert [message.destination.key for message in messages] == ["out", "other"]
    assert {message.id for message in messages} == {"id-1"}


def test_several_bodies_get_numbered_ids_which_are_the_same_every_time() -> None:
    for _ in range(2):
        messages = decider(to("out")).done(delivery(), [{"n": 1}, {"n": 2}])
        assert [(message.id, message.payload) for message in messages] == [
            ("id-1.1", b'{"n":1}'),
            ("id-1.2", b'{"n":2}'),
        ]


def test_an_empty_list_passes_nothing_on() -> None:
    messages = decider(to("out")).done(delivery(), [])
    assert list(messages) == []


def test_the_first_route_that_matches_is_taken() -> None:
    routed = decider(to("other", when={"required": ["refusal"]}), to("out"))
    assert the_only(routed.done(delivery(), {"refusal": "x"})).destination.key == "other"
    assert the_only(routed.done(delivery(), {"fine": "x"})).destination.key == "out"


def test_a_body_that_no_route_takes_is_refused_and_not_dropped() -> None:
    with pytest.raises(Reject, match="no route of the stage matches"):
        decider(to("out", when={"required": ["never"]})).done(delivery(), {})


@pytest.mark.parametrize("result", [None, [None], [{"n": 1}, None]])
def test_a_forgotten_return_is_refused_where_the_stage_publishes(result: object) -> None:
    with pytest.raises(Reject, match="forgotten return"):
        decider(to("out")).done(delivery(), result)


@pytest.mark.parametrize("result", [None, {"a": 1}, object(), [object()]])
def test_at_the_end_of_the_line_any_result_is_fine(result: object) -> None:
    messages = decider().done(delivery(), result)
    assert list(messages) == []


@pytest.mark.parametrize("result", [object(), {"a": object()}, {1: {2: object()}}, iter([1]), 1 << 70])
def test_what_json_cannot_hold_is_refused(result: object) -> None:
    with pytest.raises(Reject, match="JSON can't hold"):
        decider(to("out")).done(delivery(), result)


@pytest.mark.parametrize("body", [MappingProxyType({"day": "x"}), OrderedDict(day="x")])
def test_any_mapping_is_a_body(body: Mapping[str, str]) -> None:
    assert the_only(decider(to("out")).done(delivery(), body)).payload == b'{"day":"x"}'


def test_a_body_is_checked_against_the_schema_of_the_queue_it_goes_on() -> None:
    schema = Schema({"properties": {"card": {"maxLength": 4}}, "required": ["card"]})
    routed = decider(to("out"), schemas={"out": schema})
    assert the_only(routed.done(delivery(), {"card": "1234"}))
    with pytest.raises(Reject, match=r"breaks the schema of out: /card must have at most 4") as refusal:
        routed.done(delivery(), {"card": CARD})
    assert CARD not in str(refusal.value)


def test_the_schema_sees_a_date_as_the_text_it_becomes() -> None:
    schema = Schema({"properties": {"day": {"type": "string"}}})
    messages = decider(to("out"), schemas={"out": schema}).done(delivery(), {"day": date(2031, 12, 31)})
    assert the_only(messages).payload == b'{"day":"2031-12-31"}'


# -- read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 5000])
def test_what_is_not_json_is_refused_not_retried(payload: bytes) -> None:
    with pytest.raises(Reject, match="not JSON"):
        decider().message(delivery(payload))


def test_a_body_that_breaks_its_queues_schema_is_refused_with_every_fault() -> None:
    schema = Schema({"required": ["a", "b"]})
    with pytest.raises(Reject, match=r"breaks the schema of in: /a is required; /b is required"):
        decider(schemas={"in": schema}).message(delivery({}))


# -- failed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempt", "wait"), [(1, 2.0), (2, 6.0)])
def test_a_retry_waits_as_the_table_says_and_counts_its_attempt(attempt: int, wait: float) -> None:
    origin = delivery(attempt=attempt, headers={"trace": "abc"})
    outcome = decider().failed(origin, Retry("gateway is down"))
    message = the_only(outcome.messages)
    assert (outcome.fate, outcome.delay) == (Fate.RETRY, wait)
    assert (message.destination, message.delay, message.id) == (Destination("", "in"), wait, "id-1")
    assert message.payload == origin.payload
    assert without(message.headers) == {"trace": "abc", ATTEMPT: attempt, ERROR: "gateway is down"}
    assert message.origin is origin


def test_a_handler_may_ask_for_another_wait() -> None:
    outcome = decider().failed(delivery(), Retry("limit reached", delay=3600))
    assert (outcome.delay, the_only(outcome.messages).delay) == (3600, 3600)


@pytest.mark.parametrize(("attempt", "asked", "wait"), [(1, 1, 2), (2, 1, 6), (1, 60, 60)])
def test_a_server_that_asks_for_less_than_the_retry_table_does_not_shorten_it(
    attempt: int, asked: float, wait: float
) -> None:
    outcome = decider().failed(delivery(attempt=attempt), Retry("503", at_least=asked))
    assert (outcome.delay, the_only(outcome.messages).delay) == (wait, wait)


def test_the_first_error_outlives_later_ones_and_ends_with_a_result() -> None:
    origin = delivery(attempt=1, headers={"trace": "abc"})
    retry = the_only(decider().failed(origin, Retry("gateway is down")).messages)
    later = delivery(attempt=3, headers={n: v for n, v in retry.headers.items() if not n.startswith("runner-")})
    dead = the_only(decider().failed(later, Retry("card is refused")).messages)
    assert (dead.headers[FIRST_ERROR], dead.headers[ERROR]) == ("gateway is down", "card is refused")
    assert decider().message(later).headers == {"trace": "abc"}
    assert the_only(decider(to("out")).done(later, {})).headers == {"trace": "abc"}


def test_after_the_last_attempt_comes_the_dead_letter() -> None:
    origin = delivery(attempt=3, headers={"trace": "abc"})
    outcome = decider().failed(origin, Retry("gateway is down"))
    message = the_only(outcome.messages)
    assert outcome.fate is Fate.DEAD
    assert message.destination == Destination("", "in.dlq")
    assert (message.payload, message.id, message.delay) == (origin.payload, "id-1", 0.0)
    assert message.headers[TIME].endswith("+00:00")
    assert {name: value for name, value in without(message.headers).items() if name != TIME} == {
        "trace": "abc",
        ATTEMPT: 3,
        STAGE: "charge",
        ERROR: "gateway is down",
        QUEUE: "in",
    }


def test_a_rejected_message_goes_straight_to_the_dead_letters() -> None:
    outcome = decider().failed(delivery(), Reject("no such customer"))
    assert (outcome.fate, outcome.reason) == (Fate.DEAD, "no such customer")
    assert the_only(outcome.messages).headers[ATTEMPT] == 1


def test_any_other_exception_is_retried_and_its_traceback_kept() -> None:
    def fail() -> None:
        raise KeyError("amount")

    for attempt, fate in ((1, Fate.RETRY), (3, Fate.DEAD)):
        with pytest.raises(KeyError) as raised:
            fail()
        outcome = decider().failed(delivery(attempt=attempt), raised.value)
        assert (outcome.fate, outcome.reason) == (fate, "KeyError: 'amount'")
        assert "in fail" in outcome.trace
    assert "in fail" in the_only(outcome.messages).headers[TRACEBACK]


def test_texts_in_a_dead_letter_fit_into_a_header() -> None:
    outcome = decider().failed(delivery(attempt=3), ValueError("x" * 100_000))
    headers = the_only(outcome.messages).headers
    assert (len(headers[ERROR]), len(headers[TRACEBACK])) == (LONGEST_ERROR, LONGEST_TRACEBACK)
    assert len(outcome.reason) == LONGEST_ERROR


@pytest.mark.parametrize("order", [Retry, Reject, Pause])
def test_a_card_number_at_the_end_of_a_long_reason_is_masked_before_it_is_cut(order: type[Exception]) -> None:
    outcome = decider().failed(delivery(attempt=3), order("x" * (LONGEST_ERROR - 10) + " " + CARD))
    assert len(outcome.reason) <= LONGEST_ERROR
    assert "x •••" in outcome.reason
    assert CARD[:6] not in str(outcome)


@pytest.mark.parametrize("error", [ValueError(CARD), Retry(CARD), Reject(f"card {CARD} unknown"), Pause(CARD)])
def test_a_card_number_in_an_error_is_cut_down_to_its_last_four(error: Exception) -> None:
    outcome = decider().failed(delivery(attempt=3), error)
    texts = [outcome.reason, outcome.trace, *(str(value) for m in outcome.messages for value in m.headers.values())]
    assert "••••1111" in outcome.reason
    assert not any(CARD in text for text in texts)


def test_a_pause_publishes_nothing() -> None:
    outcome = decider().failed(delivery(), Pause("password refused", delay=90))
    assert (outcome.fate, list(outcome.messages), outcome.delay) == (Fate.PAUSE, [], 90)


def test_a_result_that_the_broker_refuses_is_retried_and_in_the_end_dead_lettered() -> None:
    error = PublishError([(Outgoing(Destination("", "out"), "id-1", b""), "the queue is full")])
    assert decider().unpublishable(delivery(attempt=1), error).fate is Fate.RETRY
    outcome = decider().unpublishable(delivery(attempt=3), error)
    assert (outcome.fate, outcome.reason) == (Fate.DEAD, "the result could not be published: out: the queue is full")


@pytest.mark.parametrize(("attempt", "deaths"), [(1, 0), (3, 0), (3, 2), (4, 1)])
def test_a_message_may_be_tried_until_its_attempts_are_used_up(attempt: int, deaths: int) -> None:
    """A first death may have been a neighbour's fault: it is never what ends a message."""
    assert decider().exhausted(delivery(attempt=attempt, deaths=deaths)) is None


def test_a_message_that_has_had_more_attempts_than_are_allowed_now_keeps_its_last_error() -> None:
    """As when `retry` was shortened while it waited."""
    tried = decider().failed(delivery(attempt=2), Retry("gateway timed out"))
    again = delivery(attempt=9)
    again.error = last_error(the_only(tried.messages).headers)
    outcome = decider().exhausted(again)
    assert outcome is not None
    assert the_only(outcome.messages).headers[ERROR] == (
        "it has had 8 attempts, and 3 are allowed; before, it failed with: gateway timed out"
    )


@pytest.mark.parametrize(
    ("attempt", "deaths", "reason"),
    [
        (4, 2, "the last attempt didn't come to an end: the worker died with it"),
        (4, 0, "it has had 3 attempts, and 3 are allowed"),
        (9, 0, "it has had 8 attempts, and 3 are allowed"),
    ],
)
def test_a_message_that_has_had_its_attempts_is_dead_without_being_tried(
    attempt: int, deaths: int, reason: str
) -> None:
    origin = delivery(attempt=attempt, deaths=deaths)
    outcome = decider().exhausted(origin)
    assert outcome is not None
    headers = the_only(outcome.messages).headers
    assert (headers[ATTEMPT], headers[ERROR]) == (attempt - 1, reason)
    assert outcome.attempt == attempt - 1


# -- sealed bodies ------------------------------------------------------------------------------

NUMBER = {"type": "string", "pattern": "^[0-9]{12,19}$", "x-sensitive": {"show": "last4"}}
SEALED = Schema({"properties": {"cardNo": NUMBER, "cvv": {"x-forbidden": True}}, "required": ["cardNo"]})
UNUSUAL = "9123456789012345"
"""Looks like a card number to nobody."""


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    make_keys(tmp_path / "keys")
    return Sealer(tmp_path / "keys")


def sealing(sealer: Sealer, *reveal: str, out: Schema = SEALED) -> Decider:
    stage = Stage("charge", "in", "module:handler", publish=(to("out"),), retry=POLICY, reveal=reveal)
    queues = {name: Queue(name) for name in ("in", "out")}
    pipeline = Pipeline("test", Path("/p.yaml"), ("embedded:/x",), queues, {"charge": stage})
    return Decider(stage, SEALED, Router(stage.publish, plan(pipeline), {"out": out}, sealer), sealer)


def at_rest(sealer: Sealer, number: str = UNUSUAL, id: str = "id-1") -> dict[str, str]:
    return {"cardNo": sealer.seal(number.encode(), f"····{number[-4:]}", id, "/cardNo")}


def dead_body(sealer: Sealer, decided: Decider, payload: bytes) -> tuple[Outgoing, bytes]:
    """The dead letter of a message that no handler saw, and what is sealed in it."""
    taken = delivery(payload)
    with pytest.raises(Reject) as refused:
        decided.message(taken)
    letter = the_only(decided.failed(taken, refused.value).messages)
    token = read_token(json.loads(letter.payload))
    assert token is not None
    return letter, sealer.open(token, "id-1", "")


def test_a_handler_gets_what_its_stage_reveals_and_masks_of_the_rest(sealer: Sealer) -> None:
    body = at_rest(sealer)
    assert sealing(sealer).message(delivery(body)).body == {"cardNo": "····2345"}
    assert sealing(sealer, "cardNo").message(delivery(body)).body == {"cardNo": UNUSUAL}


def test_a_sealed_value_travels_on_with_what_a_handler_returns(sealer: Sealer) -> None:
    for reveal in ([], ["cardNo"]):
        decided, taken = sealing(sealer, *reveal), delivery(at_rest(sealer))
        [message] = decided.done(taken, {**decided.message(taken).body, "note": "seen"})
        assert json.loads(message.payload) == json.loads(taken.payload) | {"note": "seen"}
        decided.let_go(taken)


@pytest.mark.parametrize(
    "payload",
    [
        f'{{"cardNo": "{UNUSUAL}"}}'.encode(),
        f'{{"cardNo": {UNUSUAL}}}'.encode(),
        f'{{"cardnumber": "{UNUSUAL}"}}'.encode(),
        f"no json {UNUSUAL}".encode(),
        f'{{"cardNo": "{UNUSUAL}", "cardNo": null}}'.encode(),
    ],
)
def test_plaintext_is_dead_lettered_unhandled_and_sealed_as_a_whole(sealer: Sealer, payload: bytes) -> None:
    letter, body = dead_body(sealer, sealing(sealer, "cardNo"), payload)
    assert body == payload
    assert letter.destination == Destination("", "in.dlq")
    assert letter.headers[SEALED_WHOLE]
    assert UNUSUAL not in repr((letter.payload, letter.headers))


def test_a_forbidden_member_is_not_even_kept_sealed(sealer: Sealer) -> None:
    _, body = dead_body(sealer, sealing(sealer), json.dumps({**at_rest(sealer), "cvv": "123"}).encode())
    assert b"123" not in json.dumps({**json.loads(body), "cardNo": ""}).encode()


def test_a_forbidden_member_is_not_kept_without_keys_either() -> None:
    letter = the_only(decider(schemas={"in": SEALED}).failed(delivery({"cvv": "123", "n": 1}), Reject("x")).messages)
    assert json.loads(letter.payload) == {"n": 1}


def test_a_token_of_another_message_is_dead_lettered_as_it_is(sealer: Sealer) -> None:
    taken = delivery(at_rest(sealer, id="id-2"))
    with pytest.raises(Reject, match="made for another place") as refused:
        sealing(sealer, "cardNo").message(taken)
    letter = the_only(sealing(sealer).failed(taken, refused.value).messages)
    assert letter.payload == taken.payload
    assert SEALED_WHOLE not in letter.headers


def test_a_dead_letter_that_comes_back_is_not_sealed_twice(sealer: Sealer) -> None:
    letter, _ = dead_body(sealer, sealing(sealer), b"{}")
    with pytest.raises(Reject):
        sealing(sealer).message(delivery(letter.payload))
    again = the_only(sealing(sealer).failed(delivery(letter.payload), Reject("x")).messages)
    assert again.payload == letter.payload


def test_what_a_handler_says_of_a_revealed_value_is_masked_everywhere(sealer: Sealer) -> None:
    decided, taken = sealing(sealer, "cardNo"), delivery(at_rest(sealer), attempt=3)
    number = decided.message(taken).body["cardNo"]
    try:
        raise KeyError(str(number)) from ValueError(" ".join(number))
    except KeyError as error:
        outcome = decided.failed(taken, error)
    letter = the_only(outcome.messages)
    assert letter.headers[ERROR] == "KeyError: '····2345'"
    told = re.sub(r"\W", "", repr((outcome.reason, outcome.trace, letter.headers)))
    assert UNUSUAL not in told
    decided.let_go(taken)


def test_a_result_that_repeats_a_revealed_value_in_the_clear_is_refused(sealer: Sealer) -> None:
    decided, taken = sealing(sealer, "cardNo", out=Schema(True)), delivery(at_rest(sealer))
    body = decided.message(taken).body
    with pytest.raises(Reject, match="in the clear, within another text"):
        decided.done(taken, {**body, "note": f"card {body['cardNo']}"})
    decided.let_go(taken)


@pytest.mark.parametrize(
    "write", [" ".join, "-".join, list, lambda number: f"{number[:4]} {number[4:8]}  {number[8:]}", int]
)
def test_a_result_that_repeats_it_spaced_is_refused_too(sealer: Sealer, write: Callable[[str], object]) -> None:
    decided, taken = sealing(sealer, "cardNo", out=Schema(True)), delivery(at_rest(sealer))
    body = decided.message(taken).body
    with pytest.raises(Reject, match="in the clear"):
        decided.done(taken, {**body, "note": write(str(body["cardNo"]))})
    decided.let_go(taken)


def test_a_date_in_a_result_is_no_revealed_value_by_chance(sealer: Sealer) -> None:
    decided, taken = sealing(sealer, "cardNo", out=Schema(True)), delivery(at_rest(sealer, "20261127"))
    assert decided.done(taken, {**decided.message(taken).body, "at": "2026-11-27"})
    decided.let_go(taken)


def test_a_receipt_keeps_nothing_of_a_revealed_value(sealer: Sealer) -> None:
    decided, taken = sealing(sealer, "cardNo"), delivery(at_rest(sealer))
    decided.publishes = False
    number = decided.message(taken).body["cardNo"]
    decided.done(taken, Receipt(answer=f"250 charged {number}", number=number, ticket=7, seen={"it": number}))
    decided.let_go(taken)
    assert taken.receipt == {"answer": "250 charged ····2345", "number": "····2345", "ticket": 7, "seen": ANY}
    assert UNUSUAL not in str(taken.receipt)


def test_a_short_revealed_value_may_be_in_a_result_by_chance(sealer: Sealer) -> None:
    decided, taken = sealing(sealer, "cardNo", out=Schema(True)), delivery(at_rest(sealer, "12345"))
    [message] = decided.done(taken, {**decided.message(taken).body, "amount": 12345})
    assert json.loads(message.payload)["amount"] == 12345
    decided.let_go(taken)


def test_without_its_keys_a_stage_pauses_and_nothing_is_lost(sealer: Sealer, tmp_path: Path) -> None:
    body = at_rest(sealer)
    (tmp_path / "keys").unlink()
    decided = sealing(Sealer(tmp_path / "keys"), "cardNo")
    with pytest.raises(KeysError) as missing:
        decided.message(delivery(body))
    assert decided.failed(delivery(body), missing.value).fate is Fate.PAUSE
    assert decided.failed(delivery({"cardNo": UNUSUAL}), Reject("plain")).fate is Fate.PAUSE
    assert sealing(Sealer(tmp_path / "keys")).message(delivery(body)).body == {"cardNo": "····2345"}, "it only carries"


def test_an_unknown_key_is_tried_again_and_counted(sealer: Sealer) -> None:
    body = {"cardNo": at_rest(sealer)["cardNo"].replace("sealed.1.", "sealed.1.ffff")}
    decided = sealing(sealer, "cardNo")
    with pytest.raises(UnknownKeyError) as unknown:
        decided.message(delivery(body))
    assert decided.failed(delivery(body), unknown.value).fate is Fate.RETRY
    assert decided.failed(delivery(body, attempt=3), unknown.value).fate is Fate.DEAD
