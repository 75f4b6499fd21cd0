"""The ledger of one process, while its database comes and goes."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg
import pytest
from sqlalchemy import Connection

from bench.postgres_node import PostgresNode
from runner.errors import LedgerAwayError, LedgerError
from runner.events import Events
from runner.ledger.hops import HopKey
from runner.ledger.ledger import Ledger
from tests.ledger.ledgers import Asked, published, record
from tests.waiting import wait_until
from tests.watching import Journal

KEY = HopKey("m1", "in")


@pytest.fixture
def own_node(postgres_node: PostgresNode) -> PostgresNode:
    """The session's server, which this test may kill: it is up again afterwards."""
    return postgres_node


def test_its_secret_is_the_same_for_all_and_stays(ledger_url: str) -> None:
    ledgers = [Ledger(ledger_url).open(timeout=30.0) for _ in range(3)]
    assert len({ledger.secret for ledger in ledgers}) == 1
    assert len(ledgers[0].secret) == 32
    for ledger in ledgers:
        ledger.close()


def test_before_it_is_open_it_is_away(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    assert ledger.away == "it is not open yet"
    assert ledger.open(timeout=30.0).away == ""
    ledger.close()


def test_one_that_is_not_there_is_waited_for_no_longer_than_told() -> None:
    pytest.importorskip("psycopg")
    ledger, journal = Ledger("postgresql://me:hunter2@127.0.0.1:1/shop"), Journal()
    ledger.events = Events([journal])
    with pytest.raises(LedgerAwayError, match="refused"):
        ledger.open(timeout=0.0)
    assert journal.only("ledger_away") == []
    ledger.close()


def test_one_that_comes_late_is_opened_then(own_node: PostgresNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.ledger.ledger.OPEN_RETRY", 0.05)
    url = own_node.new_database()
    own_node.kill()
    ledger, journal = Ledger(url), Journal()
    ledger.events = Events([journal])
    opening = threading.Thread(target=ledger.open)
    opening.start()
    wait_until(lambda: journal.only("ledger_away"))
    assert "refused" in ledger.away
    own_node.start()
    opening.join()
    assert ledger.away == ""
    assert record(ledger, published(KEY)) is None
    assert len(journal.only("ledger_away")) <= 3, "not at every attempt"
    assert len(journal.only("ledger_back")) == 1
    ledger.close()


def test_one_that_is_killed_is_seen_to_be_away_and_goes_on_when_it_is_back(
    own_node: PostgresNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.writer.RETRY", 0.05)
    ledger, told, patient, hasty = Ledger(own_node.new_database()).open(timeout=30.0), list[str](), Asked(), Asked()
    record(ledger, published(HopKey("before", "in")))
    ledger.watch(told.append)
    journal = Journal()
    ledger.events = Events([journal])
    own_node.kill()
    ledger.record(published(KEY), patient)
    ledger.accept(published(HopKey("hasty", "in")), hasty)
    [error] = hasty.wait()
    assert isinstance(error, LedgerAwayError)
    assert ledger.away
    with pytest.raises(LedgerAwayError):
        ledger.journey("before")
    own_node.start()
    assert patient.wait() == (None,)
    wait_until(lambda: told[-1:] == [""])
    assert all(told[:-1])
    assert ledger.away == ""
    assert [ledger.journey(name) is not None for name in ("before", "m1", "hasty")] == [True, True, False]
    assert [seen.event for seen in journal.seen if seen.event != "recorded"] == ["ledger_away", "ledger_back"]
    ledger.close()


def test_one_that_does_not_answer_is_away_to_those_who_need_not_wait(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.writer.STALLED", 0.1)
    ledger, asked, held = Ledger(ledger_url).open(timeout=30.0), Asked(), threading.Event()
    transaction = ledger._database.transaction

    def hold(wait: float | None) -> AbstractContextManager[Connection]:
        held.wait(30)
        return transaction(wait)

    monkeypatch.setattr(ledger._database, "transaction", hold)
    ledger.record(published(KEY), asked)
    wait_until(lambda: ledger.away.startswith("it has not answered for"))
    held.set()
    assert asked.wait() == (None,)
    assert ledger.away == ""
    ledger.close()


def test_what_was_to_be_recorded_is_recorded_before_it_closes(ledger_url: str) -> None:
    ledger = Ledger(ledger_url).open(timeout=30.0)
    asked = Asked()
    for number in range(3_000):
        ledger.record(published(HopKey(f"m{number}", "in")), asked)
    ledger.close(timeout=60.0)
    assert [asked.wait() for _ in range(3_000)] == [(None,)] * 3_000


def test_one_that_was_never_opened_can_be_closed(ledger_url: str) -> None:
    Ledger(ledger_url, keep=60.0).close()


def test_each_transaction_is_told_with_how_long_it_took(ledger_url: str) -> None:
    ledger, journal = Ledger(ledger_url), Journal()
    ledger.events = Events([journal])
    ledger.open(timeout=30.0)
    assert record(ledger, published(KEY)) is None
    [recorded] = journal.only("recorded")
    assert recorded.more[0] == 1
    assert 0.0 < recorded.more[1] < 60.0
    ledger.close()


def test_a_server_that_lets_nobody_write_is_away_until_it_does(postgres_node: PostgresNode) -> None:
    url, writer = postgres_node.new_database(), f"writer_{uuid.uuid4().hex[:8]}"
    Ledger(url).open(timeout=30.0).close()
    rights = f"ALL ON ALL TABLES IN SCHEMA public {{}} {writer}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {writer} LOGIN")
        connection.execute("GRANT " + rights.format("TO"))
        ledger = Ledger(url.replace("runner@", f"{writer}@")).open(timeout=30.0)
        told: list[str] = []
        ledger.watch(told.append)
        connection.execute("REVOKE " + rights.format("FROM"))
        asked = Asked()
        ledger.accept(published(KEY), asked)
        assert isinstance(asked.wait()[0], LedgerError)
        wait_until(lambda: len(told) >= 3)
        assert all("permission denied" in reason for reason in told), "it isn't back in between"
        assert ledger.away
        connection.execute("GRANT " + rights.format("TO"))
        wait_until(lambda: not ledger.away)
    ledger.close()


def test_a_server_that_stops_in_the_middle_is_away_for_who_waits_for_a_record_and_nothing_is_lost(
    postgres_node: PostgresNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.database.CONNECT_TIMEOUT", 2)
    monkeypatch.setattr("runner.ledger.database.WRITE_TIMEOUT", 0.3)
    ledger = Ledger(postgres_node.new_database()).open(timeout=30.0)
    assert record(ledger, published(KEY)) is None  # it has a connection
    told: list[str] = []
    ledger.watch(told.append)
    asked = Asked()
    with postgres_node.frozen():
        ledger.record(published(HopKey("m2", "in")), asked)
        wait_until(lambda: bool(told))
    assert told[0]
    assert asked.wait() == (None,)
    assert ledger.journey("m2") is not None
    wait_until(lambda: told[-1] == "")
    ledger.close()


def test_who_asks_a_server_that_does_not_answer_is_told_so_and_nobody_hangs(
    postgres_node: PostgresNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.database.CONNECT_TIMEOUT", 2)
    monkeypatch.setattr("runner.ledger.database.READ_TIMEOUT", 0.3)
    ledger = Ledger(postgres_node.new_database()).open(timeout=30.0)
    asked: list[Callable[[], object]] = [
        lambda: ledger.journey("m1"),
        lambda: ledger.find("payment", "paid"),
        lambda: ledger.find_hashed([b"hash"]),
        ledger.pauses.all,
        lambda: ledger.pauses.put("one", "why", "who"),
        ledger.api_keys.all,
        lambda: ledger.api_keys.add("shop", None),
        lambda: ledger.journey("m1"),
    ]
    assert ledger.journey("m1") is None  # it has a connection
    with postgres_node.frozen():
        for ask in asked:
            with pytest.raises(LedgerAwayError):
                ask()
    wait_until(lambda: not ledger.away)
    assert ledger.journey("m1") is None
    ledger.close()
