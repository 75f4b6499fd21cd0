"""All messages from the broker's file to RabbitMQ: what they keep, and what a kill costs."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from runner.brokers.base import Broker
from runner.brokers.embedded.shelf import AT_ONCE
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline, load
from runner.errors import RunnerError
from runner.message import ATTEMPT, ERROR, LOOKS, QUEUE, STRIPPED, VIA, is_usable
from runner.moving import at, moved
from runner.topology import plan
from tests.brokers.holder import Holder
from tests.brokers.places import EmbeddedPlace, RabbitPlace
from tests.brokers.plans import Collector, ids, to
from tests.killing import killed_after
from tests.pipelines import loaded
from tests.waiting import wait_until

PIPELINE = """
name: t
broker: BROKER
queues: {work: {}, left: {external: true, LENGTH}}
stages: {one: {consume: work, handler: "tests.commands.prompt:take"}}
"""
MOVE = """
import sys
from runner.brokers.registry import connect
from runner.config.loader import load
from runner.moving import at, moved
from runner.topology import plan
here = load("pipeline.yaml")
there = at(here, sys.argv[1])
broker = connect(there.pipeline, "test")
broker.start(plan(there.pipeline), timeout=30)
for _ in moved(here.pipeline, broker, lambda: True):
    print("moved", flush=True)
broker.close()
"""


def pipeline(folder: Path, length: str = "") -> LoadedPipeline:
    return loaded(folder, PIPELINE.replace("LENGTH", length))


def started(one: LoadedPipeline) -> Broker:
    broker = connect(one.pipeline, "test")
    broker.start(plan(one.pipeline), timeout=30)
    return broker


def names(count: int) -> list[str]:
    return [f"m{n:04}" for n in range(count)]


def test_what_waits_is_delayed_or_dead_goes_along_with_what_it_carries(tmp_path: Path, vhost_url: str) -> None:
    here = pipeline(tmp_path)
    with closing(started(here)) as source:
        source.publish([to("work", b'{"n": 1}', id=name, headers={"a": "b"}) for name in names(30)])
        source.publish([to("work", id="later", headers={ATTEMPT: 2}, delay=60.0)])
        source.publish([to("work.dlq", id="dead", headers={"runner-error": "why"}), to("left", id="other")])
    there = at(here, vhost_url)
    with closing(started(there)) as target:
        found = list(moved(here.pipeline, target, lambda: True))
        assert sorted(set(found)) == ["left", "work", "work.dlq"]
        assert len(found) == 33
        wait_until(lambda: target.depths(["work"])["work"].delayed == 1)
        depth = target.depths(["work"])["work"]
        assert (depth.ready, depth.dead) == (30, 1)
    place = RabbitPlace(vhost_url)
    work = place.contents("work")
    assert ids(work) == names(30)
    assert {(one.payload, one.headers["a"]) for one in work} == {(b'{"n": 1}', "b")}
    [dead] = place.contents("work.dlq")
    assert (dead.id, dead.headers["runner-error"]) == ("dead", "why")
    with closing(started(here)) as source:
        assert list(moved(here.pipeline, source, lambda: True)) == []


def test_what_is_left_of_a_wait_is_waited_for_there(tmp_path: Path) -> None:
    here, there = pipeline(tmp_path), at(pipeline(tmp_path), "embedded:new.db")
    with closing(started(here)) as source:
        source.publish([to("work", id="due", delay=0.001), to("work", id="later", delay=3_600.0)])
    with closing(started(there)) as target:
        list(moved(here.pipeline, target, lambda: True))
        collector = Collector()
        target.consume("work", 10, collector)
        wait_until(lambda: ids(collector.deliveries) == ["due"])
        assert target.depths(["work"])["work"].delayed == 1


def test_deaths_of_its_holders_are_attempts_there_too(tmp_path: Path) -> None:
    here, there = pipeline(tmp_path), at(pipeline(tmp_path), "embedded:new.db")
    with closing(started(here)) as source:
        source.publish([to("work", id="m", headers={ATTEMPT: 1})])
        with Holder(here.pipeline.broker[0], "work") as holder:
            holder.take(1)
        wait_until(lambda: source.depths(["work"])["work"].ready == 1)
    with closing(started(there)) as target:
        list(moved(here.pipeline, target, lambda: True))
        collector = Collector()
        target.consume("work", 10, collector)
        wait_until(lambda: collector.deliveries)
        assert collector.deliveries[0].attempt == 3


def test_what_rabbitmq_would_act_on_stays_behind(tmp_path: Path, vhost_url: str) -> None:
    here = pipeline(tmp_path)
    with closing(started(here)) as source:
        source.publish([to("left", id="m", headers={"CC": ["work"], "a": "b"})])
    with closing(started(at(here, vhost_url))) as target:
        list(moved(here.pipeline, target, lambda: True))
    place = RabbitPlace(vhost_url)
    assert (ids(place.contents("left")), ids(place.contents("work"))) == (["m"], [])


def put(folder: Path, queue: str, id: object, headers: object) -> None:
    """A row as another program might put it at the tail of a queue."""
    with closing(sqlite3.connect(folder / "broker.db")) as file, file:
        ((place,),) = file.execute("SELECT tail FROM queue WHERE name = ?", (queue,))
        file.execute("INSERT INTO message VALUES (?, ?, ?, '{}')", (place, id, headers))
        file.execute("UPDATE queue SET tail = tail + 1 WHERE name = ?", (queue,))


@pytest.mark.parametrize("broker", ["rabbitmq", "embedded"])
def test_headers_that_cannot_be_read_make_a_dead_letter_that_says_so(
    tmp_path: Path, broker: str, request: pytest.FixtureRequest
) -> None:
    """Here no stage may handle it; without its headers it would be a new message there."""
    url = "embedded:new.db" if broker == "embedded" else request.getfixturevalue("vhost_url")
    place = EmbeddedPlace(tmp_path / "new.db") if broker == "embedded" else RabbitPlace(url)
    here = pipeline(tmp_path)
    with closing(started(here)) as source:
        source.publish([to("work", id="good"), to("work", id="later", delay=3_600.0)])
    with closing(sqlite3.connect(tmp_path / "broker.db")) as file, file:
        file.execute("UPDATE delayed SET headers = '[1]'")
    put(tmp_path, "work", "odd", "{")
    put(tmp_path, "work", "deep", '{"a":' * 500 + "1" + "}" * 500)
    put(tmp_path, "work.dlq", "dead", b"\xff")
    with closing(started(at(here, url))) as target:
        assert sorted(moved(here.pipeline, target, lambda: True)) == ["work", *["work.dlq"] * 4]
    assert ids(place.contents("work")) == ["good"]
    dead = {one.id: one for one in place.contents("work.dlq")}
    assert set(dead) == {"later", "odd", "deep", "dead"}
    assert dead["odd"].payload == b"{}"
    told = dead["odd"].headers
    assert told[STRIPPED] == told[ERROR] == "its headers in the broker's file are no JSON object"
    assert told[QUEUE] == "work"
    assert "nested more than 100 deep" in dead["deep"].headers[ERROR]
    with closing(started(here)) as source:
        assert list(moved(here.pipeline, source, lambda: True)) == []


def test_what_amqp_cannot_hold_stays_behind_and_the_message_goes_on(tmp_path: Path, vhost_url: str) -> None:
    here = pipeline(tmp_path)
    headers = {"theirs": 1 << 80, ATTEMPT: 2, LOOKS: 1, VIA: "a1b2"}
    with closing(started(here)) as source:
        source.publish([to("work", b'{"n": 1}', id="m", headers=headers)])
    put(tmp_path, "left", "x" * 300, None)
    put(tmp_path, "left", b"", '{"a": "b"}')
    with closing(started(at(here, vhost_url))) as target:
        assert list(moved(here.pipeline, target, lambda: True)) == ["work", "left", "left"]
    [found] = RabbitPlace(vhost_url).contents("work")
    assert (found.id, found.payload) == ("m", b'{"n": 1}')
    assert "more than 64 bits" in found.headers.pop(STRIPPED)
    assert found.headers == {ATTEMPT: 2, LOOKS: 1, VIA: "a1b2"}
    left = RabbitPlace(vhost_url).contents("left")
    assert all(is_usable(one.id) for one in left)
    assert [one.headers for one in left] == [{}, {"a": "b"}]


def test_where_it_cannot_wait_its_wait_is_over(tmp_path: Path, vhost_url: str) -> None:
    here = pipeline(tmp_path)
    with closing(started(here)) as source:
        source.publish([to("left", id="m", delay=600.0)])
    with closing(started(at(here, vhost_url))) as target:
        assert list(moved(here.pipeline, target, lambda: True)) == ["left"]
    assert ids(RabbitPlace(vhost_url).contents("left")) == ["m"]


def test_who_stops_it_can_go_on(tmp_path: Path, vhost_url: str) -> None:
    here = pipeline(tmp_path)
    with closing(started(here)) as source:
        source.publish([to("left", id=name) for name in names(20)])
    with closing(started(at(here, vhost_url))) as target:
        left = iter(range(7))
        assert len(list(moved(here.pipeline, target, lambda: next(left, None) is not None))) == 7
        assert len(list(moved(here.pipeline, target, lambda: True))) == 13
    assert ids(RabbitPlace(vhost_url).contents("left")) == names(20)


def test_what_the_other_broker_refuses_stays(tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    here = pipeline(tmp_path)
    there = at(pipeline(tmp_path / "short", "max_length: 2"), "embedded:new.db")
    with closing(started(here)) as source:
        source.publish([to("left", id=name) for name in names(5)])
    refused = pytest.raises(RunnerError, match=r"left doesn't take m0002: .*the queue is full")
    with closing(started(there)) as target, refused:
        list(moved(here.pipeline, target, lambda: True))
    with closing(started(here)) as source:
        assert source.depths(["left"])["left"].ready == 3


def test_kills_lose_nothing_and_repeat_at_most_what_was_under_way(tmp_path: Path, vhost_url: str) -> None:
    here = pipeline(tmp_path)
    with closing(started(here)) as source:
        source.publish([to("left", id=name) for name in names(2_000)])
    kills = 0
    while killed_after(random.Random(kills).randrange(40, 900), MOVE, vhost_url, folder=tmp_path):
        kills += 1
    found = ids(RabbitPlace(vhost_url).contents("left"))
    assert kills > 0
    assert list(dict.fromkeys(found)) == names(2_000)
    assert len(found) <= 2_000 + kills * AT_ONCE


def test_many_are_under_way_at_a_time(tmp_path: Path) -> None:
    here, there = pipeline(tmp_path), at(pipeline(tmp_path), "embedded:new.db")
    with closing(started(here)) as source:
        source.publish([to("left", id=name) for name in names(250)])
        source.publish([to("work", b'"%s"' % (b"x" * (1 << 20)), id=name) for name in names(9)])
    with closing(started(there)) as target, patch.object(target, "submit", wraps=target.submit) as submit:
        so_far = {len(submit.mock_calls) for _ in moved(here.pipeline, target, lambda: True)}
    assert sorted(so_far) == [4, 8, 9, 109, 209, 259]  # four large ones, then a hundred small ones


def test_a_url_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="the broker's URL is not a URL"):
        at(pipeline(tmp_path), "nonsense")
    assert load(tmp_path / "pipeline.yaml").pipeline.broker != ()
