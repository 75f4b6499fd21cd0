"""A stage that runs once: what is finished is never handled again, and what may be is retried or parked."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from runner import Engine, Message, Retry
from runner.config.loader import LoadedPipeline
from runner.ledger.hops import HopKey
from runner.ledger.ledger import Ledger
from runner.ledger.once import stored
from runner.ledger.renaming import rename
from runner.ledger.tables import HOP
from runner.message import Destination, Outgoing
from tests.dead_letters import dead_letters
from tests.ledger.ledgers import PARK, RETRY, judge, record, settled
from tests.pipelines import loaded
from tests.waiting import wait_until
from tests.worker.handlers import Recorder
from tests.worker.remembering import HANDLER, Scripted, engine, journey, ledger_of, send, standing

ONCE = "one: {consume: work, publish: out, once: true}\ntwo: {consume: out}"
PARKING = ONCE.replace("once: true", "once: true, on_unknown: park")
SHORT = ONCE.replace("once: true", "once: true, key_lifetime: 1h")


def handled(seen: Recorder, queue: str = "work") -> list[str]:
    return [message.id for message in seen.messages if message.queue == queue]


def letters(folder: Path) -> list[str]:
    """Why what lies in the dead letters of `work` lies there."""
    return [str(letter.headers["runner-error"]) for letter in dead_letters(f"embedded:{folder / 'broker.db'}", "work")]


def begun(ledger_url: str, *names: str, rule: Any = RETRY) -> None:
    """As a worker leaves them that is killed in the middle."""
    ledger = Ledger(ledger_url).open(timeout=30.0)
    judge(ledger, *(HopKey(name, "work") for name in names), rule=rule)
    ledger.close()


def finished(ledger_url: str, result: bytes | None = None) -> None:
    """As a worker leaves m1 that is killed between the record and the publication."""
    ledger = Ledger(ledger_url).open(timeout=30.0)
    record(ledger, settled(HopKey("m1", "work"), result=result))
    ledger.close()


def renamed(folder: Path, ledger_url: str, was: str) -> LoadedPipeline:
    """Two stages, of which the first publishes to a queue that had another name."""
    text = f"""
        broker: BROKER
        ledger: {ledger_url}
        queues: {{work: {{}}, out: {{{was}}}}}
        stages:
          one: {{consume: work, handler: {HANDLER}, publish: out, once: true}}
          two: {{consume: out, handler: {HANDLER}}}
    """
    return loaded(folder, text)


@pytest.mark.parametrize("stages", [ONCE, PARKING, SHORT], ids=["retry", "park", "lifetime"])
def test_what_is_finished_is_not_handled_again_and_its_recorded_result_is_published(
    tmp_path: Path, ledger_url: str, seen: Recorder, stages: str
) -> None:
    Scripted.do = lambda message: {"call": len(handled(seen))}
    with engine(tmp_path, ledger_url, stages) as running:
        send(running, "m1", body=b'{"first": true}')
        wait_until(lambda: standing(running, "m1") == "done")
        send(running, "m1", body=b'{"first": false}')
        wait_until(lambda: len(handled(seen, "out")) == 2)
        assert standing(running, "m1") == "done"
    assert handled(seen) == ["m1"]
    assert [message.body for message in seen.messages if message.queue == "out"] == [{"call": 1}] * 2


def test_what_another_worker_has_finished_is_published_by_the_one_that_finds_it(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    finished(ledger_url, stored([Outgoing(Destination("", "out"), "m1", b'{"paid": true}')]))
    with engine(tmp_path, ledger_url, ONCE) as running:
        send(running, "m1")
        wait_until(lambda: handled(seen, "out"))
    assert handled(seen) == []
    assert seen.messages[0].body == {"paid": True}


def test_what_was_handled_without_a_result_before_the_stage_ran_once_is_not_lost(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    finished(ledger_url)
    with engine(tmp_path, ledger_url, ONCE) as running:
        send(running, "m1")
        wait_until(lambda: handled(seen, "out"))


@pytest.mark.parametrize("stages", [ONCE, PARKING], ids=["retry", "park"])
def test_a_failed_attempt_is_tried_again_with_the_same_id(
    tmp_path: Path, ledger_url: str, seen: Recorder, stages: str
) -> None:
    def fail_once(message: Message) -> Any:
        if message.attempt == 1:
            raise Retry("the bank is away")
        return message.body

    Scripted.do = fail_once
    with engine(tmp_path, ledger_url, stages) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "done")
    assert handled(seen) == ["m1", "m1"]


@pytest.mark.parametrize("stages", [ONCE, PARKING], ids=["retry", "park"])
def test_one_that_comes_again_while_its_handler_is_at_work_waits_and_its_result_is_published(
    tmp_path: Path,
    ledger_url: str,
    seen: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stages: str,
) -> None:
    """As after a lost channel: the broker gives it to somebody else, or to the same worker."""
    monkeypatch.setattr("runner.worker.once.HELD", 0.05)
    caplog.set_level("INFO")
    entered, released = threading.Event(), threading.Event()

    def hang(message: Message) -> Any:
        entered.set()
        released.wait(60)
        return {"call": len(handled(seen))}

    Scripted.do = hang
    with engine(tmp_path, ledger_url, stages.replace("once: true", "once: true, concurrency: 2")) as running:
        send(running, "m1")
        assert entered.wait(60)
        Scripted.do = lambda message: message.body
        send(running, "m1")
        wait_until(lambda: "another worker is still at work on it: m1" in caplog.text)
        assert handled(seen) == ["m1"]
        released.set()
        wait_until(lambda: len(handled(seen, "out")) == 2)
    assert handled(seen) == ["m1"]
    assert [message.body for message in seen.messages if message.queue == "out"] == [{"call": 1}] * 2


def test_what_was_taken_and_not_begun_when_the_connection_was_lost_is_handled_when_it_comes_again(
    tmp_path: Path, ledger_url: str, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.worker.once.HELD", 0.05)
    entered, released = threading.Event(), threading.Event()

    def hang(message: Message) -> Any:
        entered.set()
        released.wait(60)
        return message.body

    Scripted.do = hang
    with engine(tmp_path, ledger_url, ONCE) as running:
        send(running, "m1", "m2")
        assert entered.wait(60)
        wait_until(lambda: standing(running, "m2") == "in progress")
        for lock in (tmp_path / "broker.db.run").glob("*-*.lock"):
            lock.unlink()  # the broker takes this process for dead
        wait_until(lambda: running.broker.depths(["work"])["work"].in_hand == 2)
        released.set()
        wait_until(lambda: standing(running, "m2") == "done")


def test_one_whose_outcome_is_unknown_is_tried_again_with_the_same_id(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    begun(ledger_url, "m1")
    with engine(tmp_path, ledger_url, ONCE) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "done")
    assert handled(seen) == ["m1"]


def test_one_whose_outcome_is_unknown_is_parked_where_that_is_wanted_and_the_others_are_not(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    begun(ledger_url, "m1", rule=PARK)
    with engine(tmp_path, ledger_url, PARKING) as running:
        send(running, "m1", "m2")
        wait_until(lambda: [standing(running, name) for name in ("m1", "m2")] == ["dead", "done"])
        found = journey(running, "m1")
    assert handled(seen) == ["m2"]
    [reason] = letters(tmp_path)
    assert reason.startswith("parked: a worker died while it was handled, so that it may have taken effect")
    assert found is not None
    assert found.hops[0].error == reason


def test_what_was_parked_is_handled_when_a_person_has_replayed_it(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    begun(ledger_url, "m1", rule=PARK)
    with engine(tmp_path, ledger_url, PARKING) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "dead")
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "done")
    assert handled(seen) == ["m1"]


@pytest.mark.parametrize("stages", [SHORT, SHORT.replace("1h", "1h, on_unknown: park")], ids=["retry", "park"])
def test_beyond_the_lifetime_of_its_key_nothing_is_handled_again_not_even_replayed(
    tmp_path: Path, ledger_url: str, seen: Recorder, monkeypatch: pytest.MonkeyPatch, stages: str
) -> None:
    begun(ledger_url, "m1")
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + 2 * 3_600)
    with engine(tmp_path, ledger_url, stages) as running:
        for turn in (1, 2):
            send(running, "m1")
            wait_until(lambda: len(letters(tmp_path)) == turn)  # noqa: B023 - it is waited for here
        send(running, "m2")
        wait_until(lambda: standing(running, "m2") == "done")
    assert handled(seen) == ["m2"]
    if "park" not in stages:
        assert "holds as idempotency key for 1h (key_lifetime)" in letters(tmp_path)[0]


def test_a_handler_that_hangs_is_parked_and_its_late_result_is_dropped(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    released = threading.Event()

    def hang(message: Message) -> Any:
        if message.id == "m1":
            released.wait(30)
        return message.body

    Scripted.do = hang
    with engine(tmp_path, ledger_url, PARKING.replace("once: true", "once: true, timeout: 200ms")) as running:
        send(running, "m1")
        wait_until(lambda: standing(running, "m1") == "dead")
        released.set()
        send(running, "m2")
        wait_until(lambda: standing(running, "m2") == "done")
        assert standing(running, "m1") == "dead"
    assert handled(seen) == ["m1", "m2"]
    [reason] = letters(tmp_path)
    assert reason == "parked: the handler has not returned within 200ms, so that it may have taken effect"


def test_a_recorded_result_that_cannot_be_read_is_a_dead_letter(tmp_path: Path, ledger_url: str) -> None:
    finished(ledger_url, b"nonsense")
    with engine(tmp_path, ledger_url, ONCE) as running:
        send(running, "m1")
        wait_until(lambda: letters(tmp_path))
    assert letters(tmp_path)[0].startswith("it was handled, but its recorded result can't be read")


def test_a_result_that_was_recorded_for_a_queue_with_another_name_since_then_goes_to_that_queue(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    """Its worker was killed before it could publish it; then the queue was renamed."""
    finished(ledger_url, stored([Outgoing(Destination("", "former"), "m1", b'{"paid": true}')]))
    with Engine(renamed(tmp_path, ledger_url, "was: former"), timeout=30) as running:
        send(running, "m1")
        wait_until(lambda: handled(seen, "out"))
    assert (handled(seen), seen.messages[0].body) == ([], {"paid": True})


@pytest.mark.parametrize("was", ["", "was: second"])
def test_a_result_for_a_queue_that_was_renamed_twice_goes_to_it_as_well(
    tmp_path: Path, ledger_url: str, seen: Recorder, was: str
) -> None:
    finished(ledger_url, stored([Outgoing(Destination("", "first"), "m1", b'{"paid": true}')]))
    rename(ledger_url, "first", "second", None)
    rename(ledger_url, "second", "out", None)
    with Engine(renamed(tmp_path, ledger_url, was), timeout=30) as running:
        send(running, "m1")
        wait_until(lambda: handled(seen, "out"))
    assert handled(seen) == []


def test_what_is_given_back_when_the_stage_stops_is_not_unknown(tmp_path: Path, ledger_url: str) -> None:
    entered, released = threading.Event(), threading.Event()

    def wait(message: Message) -> Any:
        entered.set()
        released.wait(30)
        return message.body

    Scripted.do = wait
    with engine(tmp_path, ledger_url, ONCE) as running:
        send(running, *(f"m{n}" for n in range(20)))
        entered.wait(30)
        threading.Timer(0.1, released.set).start()
    ledger = Ledger(ledger_url).open(timeout=30.0)
    states = {hop.state for n in range(20) if (found := ledger.journey(f"m{n}")) for hop in found.hops}
    ledger.close()
    assert "begun" not in states


def test_a_ledger_that_does_not_answer_holds_up_a_parking_stage_only_for_a_while(
    tmp_path: Path, ledger_url: str, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.worker.once.ANSWER_TIMEOUT", 0.1)
    monkeypatch.setattr("runner.worker.once.PAUSE", 0.1)
    with engine(tmp_path, ledger_url, PARKING) as running:
        writer = ledger_of(running)._writer
        commit, asked, answering = writer._commit, threading.Event(), threading.Event()

        def hold(jobs: Any) -> None:
            if any(getattr(job, "rule", None) is not None and job.rule.begins for job in jobs):
                asked.set()
                answering.wait(30)
            commit(jobs)

        monkeypatch.setattr(writer, "_commit", hold)
        send(running, "m1")
        asked.wait(30)
        wait_until(lambda: running.broker.depths(["work"])["work"].paused)
        answering.set()
        wait_until(lambda: standing(running, "m1") == "done")
    assert handled(seen) == ["m1"]
    assert letters(tmp_path) == []


def test_what_is_finished_while_it_waits_for_a_slot_is_published_and_not_parked(
    tmp_path: Path, ledger_url: str, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker still had it in hand, and its connection was lost."""
    with engine(tmp_path, ledger_url, PARKING) as running:
        judge_it, ledger = ledger_of(running).judge, ledger_of(running)

        def finish_first(keys: Any, rule: Any, judged: Any) -> Any:
            if rule.begins:
                result = stored([Outgoing(Destination("", "out"), "m1", b'{"paid": true}')])
                ledger.record(settled(HopKey("m1", "work"), result=result), lambda _: None)
            return judge_it(keys, rule, judged)

        monkeypatch.setattr(ledger, "judge", finish_first)
        send(running, "m1")
        wait_until(lambda: handled(seen, "out"))
    assert handled(seen) == []
    assert letters(tmp_path) == []


def test_a_recorded_result_is_sealed_where_there_are_keys_and_published_from_there(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    Scripted.do = lambda _message: {"to": "buyer@example.com", "call": len(handled(seen))}
    text = f"""
        broker: BROKER
        ledger: {ledger_url}
        keys: file:keys
        queues: {{work: {{}}, out: {{}}}}
        stages:
          one: {{consume: work, handler: {HANDLER}, publish: out, once: true}}
          two: {{consume: out, handler: {HANDLER}}}
    """
    with Engine(loaded(tmp_path, text), timeout=30) as running:
        for _ in range(2):
            send(running, "m1")
        wait_until(lambda: len(handled(seen, "out")) == 2)
        with ledger_of(running)._database.connection() as connection:
            results = [
                bytes(row.result) for row in connection.execute(select(HOP.c.result).where(HOP.c.queue == "work"))
            ]
    assert handled(seen) == ["m1"]
    assert [message.body["call"] for message in seen.messages if message.queue == "out"] == [1, 1]
    assert [(result[:7], b"buyer@example.com" in result) for result in results] == [(b"sealed.", False)]
