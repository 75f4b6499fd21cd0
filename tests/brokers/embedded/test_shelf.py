"""The embedded broker's shelf, beyond the contract: what other programs have written into the file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runner.brokers.embedded.shelf import delayed, opened, waiting
from runner.brokers.embedded.view import View
from runner.errors import BrokerSetupError
from runner.message import STRIPPED
from tests.brokers.holder import broker_at
from tests.brokers.plans import WORK, to, topology
from tests.killing import ROOT


def test_headers_that_are_no_json_are_left_out_and_it_says_so(tmp_path: Path) -> None:
    file = tmp_path / "broker.db"
    broker = broker_at(f"embedded:{file}", "test")
    broker.start(topology(), timeout=30)
    broker.publish([to("work.dlq", id="m", headers={"a": 1})])
    broker.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE message SET headers = 'nonsense'")
        connection.commit()
    with opened([f"embedded:{file}"], "test", "work.dlq") as on:
        assert [(m.id, m.headers) for m in on.look()] == [
            ("m", {STRIPPED: "its headers in the broker's file are no JSON object"})
        ]


@pytest.mark.parametrize("due", ["soon", 1 << 60, -1])
def test_a_wait_whose_end_cannot_be_right_is_over(tmp_path: Path, due: str | int) -> None:
    file = tmp_path / "broker.db"
    broker = broker_at(f"embedded:{file}", "test")
    broker.start(topology(), timeout=30)
    broker.publish([to(WORK, id="m", delay=60.0)])
    broker.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE delayed SET due = ?", (due,))
        connection.commit()
    with delayed([f"embedded:{file}"], "test", topology(), WORK) as on:
        assert [(m.id, m.due) for m in on.look()] == [("m", None)]


def test_few_bytes_of_what_is_delayed_are_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = broker_at(f"embedded:{tmp_path / 'broker.db'}", "test")
    broker.start(topology(), timeout=30)
    broker.publish([to("work", b"x" * 600, id=f"m{n}", delay=60.0) for n in range(9)])
    broker.close()
    sizes: list[int] = []
    read = View.page_delayed

    def counted(*arguments: Any) -> Any:
        rows = read(*arguments)
        sizes.append(sum(len(row[-1]) for row in rows))
        return rows

    monkeypatch.setattr(View, "page_delayed", counted)
    monkeypatch.setattr("runner.brokers.embedded.shelf.PAGE_BYTES", 1000)
    with delayed([f"embedded:{tmp_path / 'broker.db'}"], "test", topology(), "work") as on:
        assert [message.id for message in on.look()] == [f"m{n}" for n in range(9)]
    assert max(sizes) == 1200, "one may exceed it"


KILLED = """
import os, signal, sys
from runner.brokers.embedded.messages import Messages
from runner.brokers.embedded.shelf import waiting
from tests.brokers.plans import WORK, topology
Messages.remove = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with waiting([sys.argv[1]], "test", topology(), WORK) as on:
    on.settle(next(on.look()), [])
"""


def test_who_is_killed_while_it_takes_a_message_away_is_no_attempt_of_it(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path / 'b.db'}"
    broker = broker_at(url, "test")
    broker.start(topology(), timeout=30)
    broker.publish([to(WORK, id="m")])
    broker.close()
    killed = subprocess.run([sys.executable, "-c", KILLED, url], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    with waiting([url], "test", topology(), WORK) as on:
        [found] = on.look()
        assert (found.id, found.headers) == ("m", {})
        assert on.settle(found, [])
    with waiting([url], "test", topology(), WORK) as on:
        assert list(on.look()) == []


def test_a_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BrokerSetupError, match="not there yet"), opened([f"embedded:{tmp_path / 'b.db'}"], "t", "q"):
        pass
    assert not list(tmp_path.iterdir())
