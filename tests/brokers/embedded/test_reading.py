"""Rows that another program has put into the file: none hurts another, and none is lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.brokers.embedded.broker import EmbeddedBroker
from runner.brokers.embedded.reading import Taken, delivery_of
from runner.message import LARGEST_COUNT, Session, is_usable
from tests.brokers.embedded.conftest import Opener
from tests.brokers.plans import NEXT, WORK, consume, depth, ids, to, topology
from tests.waiting import wait_until

Value = str | bytes | int | float | None


def put(path: Path, id: Value = "m-1", headers: Value = None, payload: Value = b"{}") -> None:
    """Put a row at the tail of a queue, as the broker would."""
    with closing(sqlite3.connect(path)) as database, database:
        ((place,),) = database.execute("SELECT tail FROM queue WHERE name = ?", (WORK,))
        database.execute("INSERT INTO message VALUES (?, ?, ?, ?)", (place, id, headers, payload))
        database.execute("UPDATE queue SET tail = tail + 1 WHERE name = ?", (WORK,))


def text(raw: bytes) -> Callable[[Path], None]:
    """Put a row whose id is this text, though it is no UTF-8."""

    def put_text(path: Path) -> None:
        put(path)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE message SET id = CAST(? AS TEXT) WHERE id = 'm-1'", (raw,))

    return put_text


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        ('{"a": "éé"}', '{"a": "éé"}'.encode()),
        ("a\0b", b"a\0b"),
        (12345, b"12345"),
        (b"", b""),
        ("", b""),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_a_payload_of_any_type_is_its_bytes_and_the_next_one_is_whole(
    open_broker: Opener, path: Path, payload: Value, read: bytes
) -> None:
    broker = open_broker()
    broker.publish([to(WORK, b"before")])
    put(path, payload=payload)
    broker.publish([to(WORK, b"after")])
    assert [delivery.payload for delivery in consume(broker).wait(3)] == [b"before", read, b"after"]


@pytest.mark.parametrize(
    "insert",
    [
        lambda path: put(path, b"\xff\xfe"),
        lambda path: put(path, "\x1b[2Jx"),
        lambda path: put(path, "a\n03:00:00 runner   error: forged"),
        lambda path: put(path, "a" * 201),
        lambda path: put(path, ""),
        text(b"a\xff"),
        text(b"a\xe2\x82"),
    ],
    ids=["blob", "control", "line break", "long", "empty", "no UTF-8", "cut"],
)
def test_an_id_that_nobody_can_use_is_replaced_for_good(
    open_broker: Opener, path: Path, insert: Callable[[Path], None]
) -> None:
    broker = open_broker()
    broker.publish([to(WORK, id="before")])
    insert(path)
    broker.publish([to(WORK, id="after")])
    first = ids(consume(broker).wait(3))
    assert (first[0], first[2]) == ("before", "after")
    assert is_usable(first[1])
    broker.close()
    assert ids(consume(open_broker()).wait(3)) == first


@pytest.mark.parametrize("id", ["m-1", 7, b"blob", "../../etc/passwd", "\u2713"])
def test_any_other_id_is_kept(open_broker: Opener, path: Path, id: Value) -> None:
    broker = open_broker()
    put(path, id)
    expected = id.decode() if isinstance(id, bytes) else str(id)
    assert ids(consume(broker).wait(1)) == [expected]


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ("{", "no JSON object"),
        ("", "no JSON object"),
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
        (b"\xff", "no JSON object"),
        (1, "no JSON object"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "JSON object|nested more than 100 deep"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested more than 100 deep"),
        ('{"runner-attempt": ' + "9" * 5000 + "}", "no JSON object"),
    ],
    ids=["broken", "empty", "list", "null", "blob", "number", "5,000 deep", "101 deep", "5,000 digits"],
)
def test_headers_that_cannot_be_read_are_a_fault_of_this_delivery_alone(
    open_broker: Opener, path: Path, headers: Value, fault: str
) -> None:
    broker = open_broker()
    broker.publish([to(WORK)])
    put(path, headers=headers)
    broker.publish([to(WORK)])
    before, odd, after = consume(broker).wait(3)
    assert (before.unreadable, after.unreadable) == ("", "")
    assert any(part in odd.unreadable for part in fault.split("|"))
    assert (odd.id, odd.payload, odd.headers) == ("m-1", b"{}", {})


@pytest.mark.parametrize(
    ("attempts", "counted"), [("-1", 0), ("9" * 4000, LARGEST_COUNT), ("1.5", 0), ("NaN", 0), ("true", 0), ("3", 3)]
)
def test_a_forged_count_is_bounded(open_broker: Opener, path: Path, attempts: str, counted: int) -> None:
    broker = open_broker()
    put(path, headers=f'{{"runner-attempt": {attempts}}}')
    assert consume(broker).next().attempt == counted + 1


def test_headers_that_branch_widely_are_not_deep() -> None:
    wide = '{"a": [' + ",".join(["[1]"] * 1000) + "]}"
    delivery = delivery_of(Taken(1, "m-1", wide, 0, b""), WORK, Session(), None)
    assert delivery.unreadable == ""
    assert len(delivery.headers["a"]) == 1000


VALUES = st.text(max_size=20) | st.binary(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
HEADERS = st.none() | VALUES | st.dictionaries(st.text(max_size=5), st.integers(), max_size=3).map(json.dumps)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES, HEADERS, VALUES), max_size=5))
@example([(b"\xff", "{", "é"), ("a\0", '{"a":' * 5000, 2**63 - 1)])
def test_whatever_rows_there_are_each_comes_once_and_the_good_one_whole(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Value, Value, Value]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "broker.db"
    broker = EmbeddedBroker(path, "test")
    broker.start(topology())
    try:
        for row in rows:
            put(path, *row)
        broker.publish([to(WORK, b"good", id="good")])
        *odd, good = consume(broker).wait(len(rows) + 1)
        assert (good.id, good.payload, good.unreadable) == ("good", b"good", "")
        for delivery in odd:
            broker.settle(delivery, [to(NEXT, delivery.payload, id=delivery.id, headers=dict(delivery.headers))])
        wait_until(lambda: depth(broker, NEXT).ready == len(rows))
    finally:
        broker.close()


@pytest.mark.parametrize("token", ["a\0b", "a" * 5000, "../stranger", "/dev/zero", "", ".", b"\xff", "💳"])
def test_an_owner_that_cannot_be_a_process_of_ours_is_dead_and_no_file_of_others_is_touched(
    open_broker: Opener, path: Path, token: Value, caplog: pytest.LogCaptureFixture
) -> None:
    (path.parent / "stranger.lock").touch()
    broker = open_broker()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO owner (token, name) VALUES (?, 'x')", (token,))
        database.execute("INSERT INTO consumer SELECT number, last_insert_rowid() FROM queue WHERE name = ?", (WORK,))
    broker.publish([to(WORK, id="m-1")])
    assert ids(consume(open_broker()).wait(1)) == ["m-1"]
    wait_until(lambda: not strangers(path))
    assert (path.parent / "stranger.lock").exists()
    assert "not available" not in caplog.text


def strangers(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM owner WHERE name = 'x'").fetchone()[0])


@pytest.mark.parametrize("column", ["max_length", "next_due", "held", "delayed", "returned", "largest"])
@pytest.mark.parametrize("value", [b"\x00\x01", "abc", 1.5, -1])
def test_nonsense_in_a_queues_row_stops_nothing(open_broker: Opener, path: Path, column: str, value: Value) -> None:
    open_broker().close()
    put(path, id="m-1")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE queue SET {column} = ? WHERE name = ?", (value, WORK))
    assert ids(consume(open_broker()).wait(1)) == ["m-1"]


def test_what_is_due_at_no_time_that_there_is_comes_at_once(open_broker: Opener, path: Path) -> None:
    open_broker().close()
    with closing(sqlite3.connect(path)) as database, database:
        for name, due in (("blob", b"\x00\x01"), ("text", "abc"), ("never", 2**63 - 1), ("long ago", -(2**63))):
            database.execute(
                "INSERT INTO delayed (queue, due, id, payload) SELECT number, ?, ?, x'7b7d' FROM queue WHERE name = ?",
                (due, name, WORK),
            )
        database.execute("UPDATE queue SET delayed = 4, next_due = x'0001' WHERE name = ?", (WORK,))
    assert set(ids(consume(open_broker()).wait(4))) == {"blob", "text", "never", "long ago"}
