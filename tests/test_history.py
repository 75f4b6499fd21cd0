"""The history of a message through a whole pipeline: found by everything that people know of it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from runner import Receipt
from runner.audit import AUDIT
from runner.engine import Engine
from runner.history import as_document, history, search, told
from runner.ledger.terms import LONGEST
from tests.pipelines import loaded
from tests.waiting import wait_until
from tests.worker.remembering import HANDLER, Scripted, ledger_of

TEXT = f"""
    broker: BROKER
    ledger: LEDGER
    keys: file:keys
    http:
      listen: 127.0.0.1:0
      routes:
        POST /pay: {{publish: work, find: [user, order.number], idempotency: optional}}
    queues: {{work: {{}}, out: {{}}}}
    stages:
      charge: {{consume: work, handler: {HANDLER}, publish: out, find: [charge.id], record: {{kind: /kind}}}}
      mail: {{consume: out, handler: {HANDLER}, find: [messageId]}}
"""
BODY = {"user": "Buyer@example.com", "order": {"number": 4711}}
DEEDS = [
    {"time": "2026-11-24T00:00:00Z", "who": "ann", "deed": "replay", "id": "ID.1", "queue": "out", "to": "out"},
    {"time": "2026-11-24T00:00:00Z", "who": "bob", "deed": "drop", "id": "ID2", "queue": "out", "to": None},
]


def work(message: Any) -> Any:
    if message.queue == "work":
        return {"kind": "paid", "charge": {"id": "ch_1"}, "to": message.body["user"]}
    return Receipt(messageId="<1@example.com>", answer="250 taken for Buyer@example.com")


def post(engine: Engine) -> str:
    headers = {"Content-Type": "application/json", "Idempotency-Key": '"k"'}
    request = urllib.request.Request(f"{engine.url}/pay", json.dumps(BODY).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["id"])


@pytest.mark.parametrize(
    "what", ["buyer@example.com", "4711", "ch_1", "1@example.com", "kind=paid", "paid", "ID", "ID.3"]
)
def test_a_message_is_found_by_what_people_know_of_it(tmp_path: Path, ledger_url: str, what: str) -> None:
    Scripted.do = work
    pipeline = loaded(tmp_path, TEXT.replace("LEDGER", ledger_url))
    with Engine(pipeline, timeout=30) as engine:
        ledger, paid = ledger_of(engine), post(engine)
        wait_until(lambda: (one := ledger.journey(paid)) is not None and one.standing == "done")
        found = search(ledger, pipeline.pipeline, pipeline.sealer, what.replace("ID", paid))
        assert [match.id for match in found] == [paid]


def test_it_is_told_with_receipts_masked_and_with_what_operators_did(tmp_path: Path, ledger_url: str) -> None:
    Scripted.do = work
    pipeline = loaded(tmp_path, TEXT.replace("LEDGER", ledger_url))
    audit = tmp_path / AUDIT
    audit.parent.mkdir(exist_ok=True)
    with Engine(pipeline, timeout=30) as engine:
        ledger, paid = ledger_of(engine), post(engine)
        wait_until(lambda: (one := ledger.journey(paid)) is not None and one.standing == "done")
        audit.write_text("".join(json.dumps(one).replace("ID", paid) + "\n" for one in DEEDS) + '{"id": "' + paid)
        found = history(ledger, paid, tmp_path)
    assert found is not None
    assert [told(hop) for hop in found.journey.hops] == [
        {"charge.id": "ch_1"},
        {"messageId": "<1•••@example.com>", "answer": "250 taken for B•••@example.com"},
    ]
    assert found.journey.facts == {"kind": "paid"}
    assert [(deed.who, deed.deed, deed.to) for deed in found.deeds] == [("ann", "replay", "out")]
    document = as_document(found, {})
    assert document["accepted_by"] == "POST /pay"
    assert document["operators"][0]["who"] == "ann"
    assert all(stage["took_seconds"] >= 0 for stage in document["stages"])


def test_a_receipt_is_masked_before_it_is_cut(tmp_path: Path, ledger_url: str) -> None:
    answer = "x" * (LONGEST - 10) + " 4242424242424242"
    Scripted.do = lambda message: work(message) if message.queue == "work" else Receipt(answer=answer)
    with Engine(loaded(tmp_path, TEXT.replace("LEDGER", ledger_url)), timeout=30) as engine:
        ledger, paid = ledger_of(engine), post(engine)
        wait_until(lambda: (one := ledger.journey(paid)) is not None and one.standing == "done")
        found = history(ledger, paid, tmp_path)
    assert found is not None
    assert told(found.journey.hops[1])["answer"].endswith("x ••••4242")


def test_the_status_of_a_message_does_not_tell_what_is_for_operators(tmp_path: Path, ledger_url: str) -> None:
    Scripted.do = work
    text = TEXT.replace("LEDGER", ledger_url).replace(
        "idempotency: optional", 'idempotency: optional, status: "/p/{id}"'
    )
    with Engine(loaded(tmp_path, text), timeout=30) as engine:
        ledger, paid = ledger_of(engine), post(engine)
        wait_until(lambda: (one := ledger.journey(paid)) is not None and one.standing == "done")
        with urllib.request.urlopen(f"{engine.url}/p/{paid}") as answer:
            assert b"ch_1" not in answer.read()


def test_of_an_unknown_message_there_is_no_history(ledger_url: str, tmp_path: Path) -> None:
    with Engine(loaded(tmp_path, TEXT.replace("LEDGER", ledger_url)), timeout=30) as engine:
        assert history(ledger_of(engine), "nobody", tmp_path) is None
