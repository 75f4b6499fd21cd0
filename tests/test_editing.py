"""A body in an editor: what is hidden stays as it is or is written anew, and is never guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.brokers.base import Shelved
from runner.config.loader import LoadedPipeline
from runner.deadletters import DeadLetter, read
from runner.editing import Draft, NotEditableError
from runner.message import Outgoing
from runner.operations import router_to
from tests.pipelines import loaded_with_keys

CARD = {"pattern": "^[0-9]{16}$", "x-sensitive": {"show": "last4"}}
PIN = {"type": "string", "x-sensitive": {"show": "hidden"}}
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "card": CARD, "pins": {"type": "array", "items": PIN}},
}
PIPELINE = """
    broker: BROKER
    keys: file:keys
    queues: {orders: {schema: order.json}, plain: {}}
    stages:
      take: {consume: orders, handler: "tests.config.handlers:take"}
      more: {consume: plain, handler: "tests.config.handlers:take"}
"""
BODY = {"n": 1, "card": "4242424242424242", "pins": ["1111", "2222"]}


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    return loaded_with_keys(tmp_path, PIPELINE, {"order.json": SCHEMA})


def sealed(pipeline: LoadedPipeline) -> bytes:
    routed = router_to(pipeline, "orders").route_text(json.dumps(BODY).encode(), "m")
    assert isinstance(routed, list)
    return routed[0].payload


def letter(payload: bytes, queue: str = "orders", **headers: Any) -> DeadLetter:
    return read(queue, Shelved("m", payload, headers, 0))


def edit(pipeline: LoadedPipeline, payload: bytes, queue: str = "orders", **changes: Any) -> dict[str, Any] | str:
    draft = Draft(letter(payload, queue), pipeline.schemas.get(queue))
    body = json.loads(draft.text) | changes
    messages = draft.messages(json.dumps(body), router_to(pipeline, queue))
    return messages if isinstance(messages, str) else one(messages)


def one(messages: list[Outgoing]) -> dict[str, Any]:
    [message] = messages
    assert message.id == "m"
    found: dict[str, Any] = json.loads(message.payload)
    return found


def test_masks_stand_for_what_is_sealed_and_come_back_as_it_was(pipeline: LoadedPipeline) -> None:
    payload = sealed(pipeline)
    draft = Draft(letter(payload), pipeline.schemas["orders"])
    assert json.loads(draft.text) == {"n": 1, "card": "····4242", "pins": ["········", "········"]}
    assert edit(pipeline, payload, n=2) == json.loads(payload) | {"n": 2}


def test_a_new_value_in_place_of_a_mask_is_sealed_anew(pipeline: LoadedPipeline) -> None:
    payload = sealed(pipeline)
    found = edit(pipeline, payload, card="5555555555554444")
    assert isinstance(found, dict)
    assert found["card"].startswith("sealed.1.")
    assert found["card"].endswith("····4444")
    assert found["pins"] == json.loads(payload)["pins"]


def test_what_lies_in_the_clear_is_hidden_too_and_sealed_when_it_is_sent(pipeline: LoadedPipeline) -> None:
    payload = json.dumps(BODY).encode()
    assert "4242424242424242" not in Draft(letter(payload), pipeline.schemas["orders"]).text
    found = edit(pipeline, payload, n=2)
    assert isinstance(found, dict)
    assert found["card"].endswith("····4242")
    assert found["card"].startswith("sealed.1.")


def test_a_number_that_should_be_a_sealed_text_is_hidden_and_refused(pipeline: LoadedPipeline) -> None:
    payload = json.dumps(BODY | {"card": 90210, "pins": [[7117]]}).encode()
    text = Draft(letter(payload), pipeline.schemas["orders"]).text
    assert json.loads(text) == {"n": 1, "card": "········", "pins": ["········"]}
    assert "must be a string" in str(edit(pipeline, payload, n=2))
    assert isinstance(edit(pipeline, payload, card=BODY["card"], pins=[]), dict)


def test_what_may_not_be_kept_is_left_out(tmp_path: Path) -> None:
    schema = {"properties": {"n": {"type": "integer"}, "cvv": {"x-forbidden": True}}}
    pipeline = loaded_with_keys(tmp_path, PIPELINE, {"order.json": schema})
    payload = b'{"n": 1, "cvv": "117"}'
    assert json.loads(Draft(letter(payload), pipeline.schemas["orders"]).text) == {"n": 1}
    assert edit(pipeline, payload, n=2) == {"n": 2}


def test_a_card_number_that_no_schema_marks_is_hidden_and_kept(pipeline: LoadedPipeline) -> None:
    body = {"note": "card 4000000000000119 is declined", "card": 4000000000000119, "n": 1}
    draft = Draft(letter(json.dumps(body).encode(), "plain"), None)
    assert "400000000000" not in draft.text
    assert edit(pipeline, json.dumps(body).encode(), "plain", n=2) == {**body, "n": 2}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"to": "t•••@example.org"}, "/to is or holds a mask"),
        ({"card": "····9999"}, "/card is or holds a mask"),
        ({"other": "····4242"}, "/other is or holds a mask"),
        ({"pins": ["········"]}, "/pins/0 is or holds a mask"),
        ({"card": "12"}, "breaks the schema"),
        ({"n": "one"}, "/n must be"),
        ({"n": "sealed.1.k1.x"}, "begins like a sealed value"),
    ],
)
def test_nonsense_is_refused_and_says_where(pipeline: LoadedPipeline, changes: dict[str, Any], why: str) -> None:
    refusal = edit(pipeline, sealed(pipeline), **changes)
    assert isinstance(refusal, str)
    assert why in refusal


def test_a_body_that_is_no_json_can_be_mended(pipeline: LoadedPipeline) -> None:
    draft = Draft(letter(b'{"n": 1', "plain"), None)
    assert draft.text == '{"n": 1'
    router = router_to(pipeline, "plain")
    assert "not JSON" in str(draft.messages('{"n": ', router))
    messages = draft.messages('{"n": 1}', router)
    assert isinstance(messages, list)
    assert one(messages) == {"n": 1}


def test_what_may_hold_what_must_not_be_shown_can_not_be_edited(pipeline: LoadedPipeline) -> None:
    for payload, queue in ((b'{"n": 1', "orders"), (b"card 4000000000000119", "plain")):
        with pytest.raises(NotEditableError, match="must not be shown"):
            Draft(letter(payload, queue), pipeline.schemas.get(queue))
    with pytest.raises(NotEditableError, match="sealed as a whole"):
        Draft(letter(b'"x"', **{"runner-sealed": "it is not JSON"}), None)


def test_what_only_looks_different_is_unchanged(pipeline: LoadedPipeline) -> None:
    draft = Draft(letter(sealed(pipeline)), pipeline.schemas["orders"])
    assert draft.is_unchanged(json.dumps(json.loads(draft.text)))
    assert not draft.is_unchanged("{}")
    assert not draft.is_unchanged("{")
