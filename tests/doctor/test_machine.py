"""What is found of addresses, disks and open files."""

from __future__ import annotations

import resource
import shutil
import socket
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.doctor.machine import addresses, disks, open_files
from runner.processes.runs import RunFile
from tests.pipelines import loaded

PIPELINE = """
name: t
broker: BROKER
http: {listen: "127.0.0.1:PORT", max_connections: CONNECTIONS, routes: {POST /a: {publish: a}}}
queues: {a: {external: true}}
stages: {}
"""


def text(port: int = 0, connections: int = 10) -> str:
    return PIPELINE.replace("PORT", str(port)).replace("CONNECTIONS", str(connections))


def test_an_address_that_another_program_has_is_a_fault_unless_it_is_ours(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        pipeline = loaded(tmp_path, text(port))
        [found] = addresses(pipeline)
        assert found.level == "fault"
        assert found.text.startswith(
            f"can't listen on 127.0.0.1:{port}: address already in use; stop the other program"
        )
        with closing(RunFile(pipeline.pipeline.file)):
            [found] = addresses(pipeline)
        assert found.level == "ok"
    assert [found.level for found in addresses(pipeline)] == ["ok"]


@pytest.mark.parametrize(("free", "level"), [(50 << 20, "fault"), (500 << 20, "warning"), (5 << 30, "ok")])
def test_a_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    [found] = disks(loaded(tmp_path, text()))
    assert found.level == level


def test_a_limit_of_open_files_that_is_too_low_is_told(tmp_path: Path) -> None:
    [found] = open_files(loaded(tmp_path, text()))
    assert found.level == "ok"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return
    [found] = open_files(loaded(tmp_path, text(connections=min(hard, 1_000_000))))
    assert (found.level, found.subject) == ("warning", "open files")
