"""The child processes that show a run."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from bench.ports import free_port
from runner.console.access import hash_of
from tests.commands.prompt import run
from tests.system.program import PIPELINE, Program
from tests.waiting import TIMEOUT, wait_until


class Two:
    """Two programs with one file, and so one address for their consoles."""

    def __init__(self, folder: Path) -> None:
        self.console = free_port()
        self.programs = [self._program(folder / name) for name in ("one", "two")]

    def _program(self, folder: Path) -> Program:
        folder.mkdir()
        text = PIPELINE + f"console: {{listen: 127.0.0.1:{self.console}}}\n"
        return Program(folder, f"embedded:{folder.parent / 'broker.db'}", text)

    def health(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.console}/health/{name}", timeout=30) as answer:
            return str(json.load(answer)["status"])


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_of_two_parts_that_share_the_address_one_has_the_console_and_the_other_takes_it_over(two: Two) -> None:
    first, second = two.programs
    try:
        first.start("--only", "one")
        second.start("--only", "two")
        assert f"console  http://localhost:{two.console}" in first.log
        wait_until(lambda: f"no console for now: can't listen on 127.0.0.1:{two.console}: " in second.log)
        assert two.health("live") == "live"
        assert first.stop() == 0
        wait_until(lambda: _answers(two))
        assert second.stop() == 0
    finally:
        first.stop()
        second.stop(signal.SIGKILL)


TOKENS = f"""console:
  listen: 127.0.0.1:CONSOLE
  tokens:
    ada: {{hash: "{hash_of("adas token")}"}}
    bob: {{hash: "{hash_of("bobs token")}"}}
"""


def test_a_token_that_is_taken_out_of_the_file_opens_nothing_after_a_reload(tmp_path: Path) -> None:
    port = free_port()
    text = PIPELINE + TOKENS.replace("CONSOLE", str(port))
    program = Program(tmp_path, f"embedded:{tmp_path / 'broker.db'}", text)
    asked = b"GET /live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer bobs token\r\n\r\n"
    try:
        program.start()
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as stream:
            stream.sendall(asked)
            assert b"200 OK" in stream.recv(4096)
            program.write("".join(line for line in text.splitlines(keepends=True) if "bob:" not in line))
            result = run("reload", program.folder / "pipeline.yaml")
            assert result.exit_code == 0, result.output
            while stream.recv(65536):
                pass
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as stream:
            stream.sendall(asked)
            assert b"401 Unauthorized" in stream.recv(4096)
    finally:
        program.stop()


def _answers(two: Two) -> bool:
    try:
        return two.health("live") == "live"
    except OSError:
        return False


def test_a_whole_pipeline_does_not_start_without_its_console(two: Two) -> None:
    first, second = two.programs
    try:
        first.start("--only", "one")
        second.start(up=False)
        assert second.end() == 1
        assert f"can't listen on 127.0.0.1:{two.console}: address already in use" in second.log
        assert f"CONSOLE=127.0.0.1:{two.console + 1}, or console: listen in the pipeline" in second.log
    finally:
        first.stop()
        second.stop()


def test_a_console_that_waits_for_its_address_stops_at_once(two: Two) -> None:
    first, second = two.programs
    try:
        first.start("--only", "one")
        second.start("--only", "two")
        assert second.stop() == 0
    finally:
        first.stop()
        second.stop()


def test_a_stop_ends_what_browsers_follow_at_once(two: Two) -> None:
    program, _ = two.programs
    try:
        program.start()
        with socket.create_connection(("127.0.0.1", two.console), TIMEOUT) as browser:
            browser.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"text/event-stream" in browser.recv(4096)
            assert program.stop() == 0
            while browser.recv(65536):
                pass
    finally:
        program.stop(signal.SIGKILL)
