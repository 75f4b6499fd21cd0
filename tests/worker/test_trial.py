"""One stage on one message, without a broker: what a worker would make of it."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from runner import Message, Pause, Receipt, Reject, Retry
from runner.config.loader import LoadedPipeline
from runner.privacy.masking import mask
from runner.worker.trial import Trial, try_stage
from tests.pipelines import loaded
from tests.worker.remembering import HANDLER, Scripted

TEXT = f"""
    keys: file:keys
    queues: {{work: {{schema: work.json}}, large: {{schema: work.json}}, small: {{}}}}
    stages:
      one:
        consume: work
        handler: {HANDLER}
        reveal: [card]
        timeout: 60s
        retry: {{attempts: 3, delay: 7s}}
        publish:
        - {{when: {{required: [amount], properties: {{amount: {{minimum: 100}}}}}}, to: large}}
        - {{when: {{required: [amount]}}, to: small}}
      two: {{consume: large, handler: {HANDLER}}}
      three: {{consume: small, handler: {HANDLER}}}
"""
SCHEMA = {"required": ["card"], "properties": {"card": {"type": "string", "x-sensitive": {"show": "last4"}}}}
CARD = "4000056655665556"
BODY = {"card": CARD, "amount": 7}


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    (tmp_path / "work.json").write_text(json.dumps(SCHEMA))
    found = loaded(tmp_path, TEXT)
    assert found.sealer is not None
    found.sealer.prepare(production=False)
    return found


def trial(pipeline: LoadedPipeline, body: Any = BODY, *, stage: str = "one", **options: Any) -> Trial:
    return try_stage(pipeline, pipeline.pipeline.stages[stage], json.dumps(body).encode(), **options)


def passes_on(message: Message) -> Any:
    assert message.body["card"] == CARD  # it is revealed
    return message.body


def test_the_result_is_shown_masked_with_the_route_it_takes_and_why_not_the_others(pipeline: LoadedPipeline) -> None:
    Scripted.do = passes_on
    found = trial(pipeline, message_id="m1")
    assert (found.id, found.fate, found.reason) == ("m1", "handled", "")
    [product] = found.products
    assert product.body == {"card": "····5556", "amount": 7}
    first, second = product.considered
    assert (first.taken, [str(one) for one in first.why_not]) == (False, ["/amount must be at least 100"])
    assert (second.taken, second.verdicts) == (True, (("small", None),))


def test_of_the_route_that_is_taken_each_schema_gives_its_verdict(pipeline: LoadedPipeline) -> None:
    Scripted.do = lambda message: [{**message.body, "amount": 100}, {"amount": 100}]
    found = trial(pipeline, message_id="m1")
    assert found.fate == "dead"
    assert "breaks the schema of large: /card is required" in found.reason
    good, bad = found.products
    assert (good.id, bad.id) == ("m1.1", "m1.2")
    assert good.considered[0].verdicts == (("large", ()),)
    [(_, violations)] = bad.considered[0].verdicts
    assert [str(one) for one in violations or ()] == ["/card is required"]
    assert not good.considered[1].taken
    assert good.considered[1].why_not == ()


def test_a_body_that_could_not_stand_on_the_queue_reaches_no_handler(pipeline: LoadedPipeline) -> None:
    Scripted.do = lambda _message: pytest.fail("it was called")
    found = trial(pipeline, {"amount": 1})
    assert (found.fate, found.reason) == ("refused", "the body breaks the schema of work: /card is required")
    assert try_stage(pipeline, pipeline.pipeline.stages["one"], b"{").reason.startswith("the body is not JSON")


@pytest.mark.parametrize(
    ("order", "fate", "delay"),
    [
        (Retry("busy"), "retry", 7.0),
        (Retry("busy", delay=3.0), "retry", 3.0),
        (Reject("busy"), "dead", 0.0),
        (Pause("busy", delay=9.0), "pause", 9.0),
    ],
)
def test_an_order_of_the_handler_is_what_comes_of_it(
    pipeline: LoadedPipeline, order: Exception, fate: str, delay: float
) -> None:
    def give(_message: Message) -> Any:
        raise order

    Scripted.do = give
    found = trial(pipeline)
    assert (found.fate, found.reason, found.delay, found.traceback) == (fate, "busy", delay, "")


def test_an_error_is_shown_with_the_handlers_own_lines_masked(pipeline: LoadedPipeline) -> None:
    def fail(message: Message) -> Any:
        raise ValueError(f"no {message.body['card']} for a@example.com")

    Scripted.do = fail
    found = trial(pipeline)
    assert (found.fate, found.delay) == ("error", 7.0)
    assert "in fail" in found.traceback
    assert "runner/worker" not in found.traceback
    assert CARD not in found.traceback + found.reason
    assert "a@example.com" not in found.traceback + found.reason


def test_a_handler_that_hangs_is_given_up_after_its_timeout(pipeline: LoadedPipeline) -> None:
    over = threading.Event()
    Scripted.do = lambda _message: over.wait(30)
    hasty = dataclasses.replace(pipeline.pipeline.stages["one"], timeout=0.2)
    found = try_stage(pipeline, hasty, json.dumps(BODY).encode())
    over.set()
    assert found.fate == "error"
    assert "has not returned within 200ms" in found.reason


def test_a_receipt_is_shown_masked(pipeline: LoadedPipeline) -> None:
    Scripted.do = lambda _message: Receipt(answer="250 for a@example.com")
    found = trial(pipeline, stage="three")
    assert (found.fate, found.receipt) == ("handled", {"answer": "250 for a•••@example.com"})


def test_what_a_handler_repeats_of_a_revealed_value_is_shown_masked_even_if_it_looks_like_no_card(
    pipeline: LoadedPipeline,
) -> None:
    Scripted.do = lambda message: {"amount": 7, "note": f"charged {message.body['card']}"}
    found = trial(pipeline, {"card": "12-unusual-9876"})
    assert (found.fate, found.products[0].body["note"]) == ("dead", "charged ····9876")
    assert mask("12-unusual-9876") == "12-unusual-9876"  # it is forgotten then


def test_a_sealed_body_opens_under_its_own_id(pipeline: LoadedPipeline) -> None:
    Scripted.do = passes_on
    assert pipeline.sealer is not None
    sealed = json.dumps({**BODY, "card": pipeline.sealer.seal(CARD.encode(), "····5556", "m1", "/card")}).encode()
    stage = pipeline.pipeline.stages["one"]
    assert try_stage(pipeline, stage, sealed, message_id="m1").fate == "handled"
    assert try_stage(pipeline, stage, sealed, message_id="m2").fate == "dead"
