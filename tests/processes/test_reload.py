"""Which assembly is tried out, loaded and told; what running programs make of it is in tests/system/test_reload.py."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from runner.config.loader import load
from runner.errors import RunnerError, StartError
from runner.processes.reload import Reloading, assemble
from runner.processes.runs import RunFile, runs_of
from tests.pipelines import write

PIPELINE = """
    broker: "embedded:broker.db"
    http: {listen: "127.0.0.1:0", routes: {POST /work: {publish: work}}}
    queues: {work: {schema: body.json}}
    stages: {one: {consume: work, handler: "tests.config.handlers:take"}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "body.json").write_text("{}")
    return write(tmp_path, PIPELINE)


def test_what_is_the_same_listens_on_the_same_port(path: Path) -> None:
    first = assemble(load(path), [], 1)
    reloading = Reloading(path, first, [], 1, RunFile(path))
    reloading.load()
    reloading.accept("all")
    assert first.parts.intake is not None
    port = first.parts.intake.listen.port
    socket.create_connection(("127.0.0.1", port), timeout=30).close()
    [run] = runs_of(path)
    assert (run.reloads, run.outcome, run.words) == (1, "reloaded", "all")
    reloading.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30)


def test_a_refused_one_leaves_no_socket(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reloading = Reloading(path, assemble(load(path), [], 1), [], 1, RunFile(path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    write(tmp_path, PIPELINE.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    reloading.load()
    reloading.refuse("one line\nand another")
    socket.create_server(("127.0.0.1", port)).close()
    assert caplog.messages == ["one line", "and another", "pipeline.yaml is not reloaded; what runs goes on as it was"]
    reloading.close()


def test_a_part_that_the_new_file_lacks_is_named(path: Path, tmp_path: Path) -> None:
    reloading = Reloading(path, assemble(load(path), ["one"], 1), ["one"], 1, RunFile(path))
    write(tmp_path, PIPELINE.replace("one:", "first:"))
    with pytest.raises(RunnerError, match="'one' is not a part of it"):
        reloading.load()
    reloading.close()


def test_an_address_that_is_taken_stops_the_first_one(path: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write(tmp_path, PIPELINE.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        with pytest.raises(StartError, match=f"can't listen on 127.0.0.1:{port}: address already in use"):
            assemble(load(path), [], 1)
