"""The list of brokers: what it says about a URL, and that another line adds another broker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.ports import free_port
from runner.brokers import registry
from runner.brokers.registry import BrokerKind, kind_of, misfit, parse
from runner.cli import main
from tests.http_client import Client
from tests.pipelines import write
from tests.waiting import TIMEOUT, wait_until

ROOT = Path(__file__).parents[2]

PIPELINE = """
    name: playing
    broker: toy:box
    http:
      listen: 127.0.0.1:PORT
      routes:
        POST /play: {publish: games}
    queues:
      games: {}
"""
PROGRAM = """
import sys
from runner.brokers import registry
from runner.cli import main
registry.BROKERS.append(registry.BrokerKind(("toy:",), "tests.brokers.toy"))
main(sys.argv[1:])
"""
"""The runner, with one line more in its list."""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BROKERS", [*registry.BROKERS, BrokerKind(("toy:",), "tests.brokers.toy")])


def printed(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


# -- what a URL names --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("embedded:x.db", "runner.brokers.embedded"),
        ("amqp://h", "runner.brokers.rabbitmq"),
        ("amqps://h", "runner.brokers.rabbitmq"),
    ],
)
def test_what_a_url_begins_with_says_which_broker_it_names(url: str, package: str) -> None:
    assert kind_of(url).package == package


def test_a_scheme_that_nobody_has_is_reported_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="has the scheme 'redis', which isn't known; use embedded:, amqp://"):
        parse("redis://h", Path("/"))


@pytest.mark.usefixtures("toy")
def test_a_broker_more_is_among_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"use embedded:, amqp://, amqps:// or toy:$"):
        parse("redis://h", Path("/"))
    with pytest.raises(
        ValueError, match=r"write embedded:PATH, amqp://user:password@host/vhost, amqps://… or toy:NAME$"
    ):
        parse("nonsense", Path("/"))


@pytest.mark.usefixtures("toy")
def test_several_urls_are_of_one_broker() -> None:
    assert misfit("amqps://b", beside="amqp://a") is None
    assert "can't be one of several" in (misfit("embedded:x.db", beside="amqp://a") or "")
    assert "names another broker than the first" in (misfit("toy:box", beside="amqp://a") or "")


def test_a_check_imports_no_broker(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE.replace("toy:box", "amqp://user:password@host/vhost").replace("PORT", "0"), {})
    program = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from runner.cli import main; main()"
    command = [sys.executable, "-c", program, "check", str(file)]
    imported = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "runner.brokers.rabbitmq.url" in imported
    assert {"pika", "sqlite3", "runner.brokers.rabbitmq.broker", "runner.brokers.embedded.broker"}.isdisjoint(imported)


# -- a third broker is one line -----------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, PIPELINE.replace("PORT", str(free_port())), {})


@pytest.mark.usefixtures("toy")
def test_check_reads_a_third_brokers_urls(file: Path) -> None:
    assert printed("check", file)[0] == 0
    file.write_text(file.read_text().replace("toy:box", "toy:???"))
    status, output = printed("check", file)
    assert status != 0
    assert "broker needs a name behind 'toy:', of letters and digits" in output


@pytest.mark.usefixtures("toy")
def test_show_writes_a_third_brokers_url_as_it_is_to_be_shown(file: Path) -> None:
    assert "\nbroker: toy:box\n" in printed("show", file)[1]
    assert "\nplaying on toy:box\n" in printed("show", "--graph", file)[1]


def test_run_carries_messages_by_a_third_broker(file: Path) -> None:
    port = int(file.read_text().partition("127.0.0.1:")[2].split()[0])
    log = file.with_name("log")
    with log.open("wb") as errors:
        command = [sys.executable, "-c", PROGRAM, "run", str(file)]
        program = subprocess.Popen(command, cwd=ROOT, stderr=errors)
    try:
        wait_until(lambda: "is up after" in log.read_text() or program.poll() is not None)
        assert "broker   a toy named box" in log.read_text()
        assert Client(port).post("/play", {}).status == 202
    finally:
        program.terminate()
        program.wait(TIMEOUT)
    assert file.with_name("box.toybox").exists()
