"""A whole pipeline in this process: which parts start, and that none is left behind."""

from __future__ import annotations

import smtplib
import socket
import threading
from pathlib import Path

import pytest

from bench.ports import free_port
from runner.engine import Engine
from runner.errors import StartError
from runner.processes.parts import UnknownPartError
from tests.http_client import Client
from tests.mails import mail
from tests.pipelines import loaded
from tests.waiting import wait_until

PIPELINE = """
    name: engine
    broker: BROKER
    http: {listen: "127.0.0.1:PORT", routes: {POST /work: {publish: work}}}
    mailbox: {listen: "127.0.0.1:SMTP", folder: mails}
    queues: {work: {}, other: {}}
    stages:
      one: {consume: work, handler: "tests.test_engine:take"}
      two: {consume: other, handler: "tests.test_engine:take"}
"""


def take(message: object) -> None: ...


def text(*, port: int = 0, smtp: int = 0) -> str:
    return PIPELINE.replace("PORT", str(port)).replace("SMTP", str(smtp))


def test_it_starts_all_that_the_file_has_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before, smtp = set(threading.enumerate()), free_port()
    with Engine(loaded(tmp_path, text(smtp=smtp))) as engine:
        client = Client(int(engine.url.rpartition(":")[2]))
        assert client.get("/health/ready").status == 200
        with smtplib.SMTP("127.0.0.1", smtp) as mailbox:
            mailbox.send_message(mail())
    assert len(list((tmp_path / "mails" / "new").iterdir())) == 1
    assert not engine.broker.available
    wait_until(lambda: set(threading.enumerate()) <= before)
    with pytest.raises(ConnectionRefusedError):
        client.get("/health/live")


def test_only_the_parts_that_are_named_are_started(tmp_path: Path) -> None:
    with Engine(loaded(tmp_path, text()), only=["two"]) as engine:
        assert engine.url == ""
        assert (engine.broker.consuming("work"), engine.broker.consuming("other")) == (False, True)
    assert not (tmp_path / "mails").exists()


def test_a_part_that_the_file_does_not_have_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UnknownPartError, match=r"did you mean 'one'\?"):
        Engine(loaded(tmp_path, text()), only=["onee"])
    assert not (tmp_path / "broker.db").exists()


def test_a_port_that_is_taken_ends_the_start_and_what_was_started_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        engine = Engine(loaded(tmp_path, text(port=port)))
        with pytest.raises(StartError, match=f"can't listen on 127.0.0.1:{port}"), engine:
            pass
    assert not engine.broker.available
    wait_until(lambda: set(threading.enumerate()) <= before)
