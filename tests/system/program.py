"""`runner run` as a separate program, with a pipeline whose stages do what the messages say."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

from bench.ports import free_port
from runner.brokers.base import Depth
from runner.brokers.registry import connect
from runner.config.loader import load
from runner.topology import plan
from tests.waiting import TIMEOUT, wait_until

ROOT = Path(__file__).parents[2]

PIPELINE = """
name: test
broker: "BROKER"
shutdown_timeout: 10s
http:
  listen: 127.0.0.1:PORT
  confirm_timeout: 60s
  routes:
    POST /work: {publish: first}
defaults:
  retry: {attempts: 3, delay: 200ms, factor: 2}
queues:
  first: {schema: body.json}
  second: {schema: body.json}
stages:
  one:
    consume: first
    handler: tests.system.handlers:Step
    settings: {stage: one, folder: .}
    concurrency: 2
    publish: second
  two:
    consume: second
    handler: tests.system.handlers:Step
    settings: {stage: two, folder: .}
"""

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, "do": {"type": "object"}}}


class Note(NamedTuple):
    """One call of a handler."""

    stage: str
    n: int
    attempt: int
    pid: int


class Answer(NamedTuple):
    """What the intake answered."""

    status: int
    headers: Message
    body: Any


class Program:
    """One run in `folder`; several may be started after or beside each other."""

    def __init__(self, folder: Path, broker: str, pipeline: str = PIPELINE) -> None:
        self.folder = folder
        self.broker = broker
        self.port = free_port()
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.write(pipeline)
        (folder / "body.json").write_text(json.dumps(SCHEMA))

    def write(self, pipeline: str) -> None:
        text = pipeline.replace("BROKER", self.broker).replace("PORT", str(self.port))
        (self.folder / "pipeline.yaml").write_text(text)

    @staticmethod
    def environment() -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "CONSOLE": "127.0.0.1:0"}

    # -- its life ----------------------------------------------------------------------

    def start(self, *arguments: str, up: bool = True, env: Mapping[str, str] | None = None) -> None:
        """Start it, and wait until it says that everything is up."""
        said = self.log.count("is up after")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runner", "run", *arguments],
                cwd=self.folder,
                env={**self.environment(), **(env or {})},
                stderr=log,
            )
        if up:
            wait_until(lambda: self.log.count("is up after") > said or self._has_ended())
            assert self._process.poll() is None, self.log

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; its exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(TIMEOUT * 2)

    def end(self) -> int:
        """Wait for an end that it comes to by itself; its exit status."""
        assert self._process is not None
        process, self._process = self._process, None
        return process.wait(TIMEOUT * 2)

    def send(self, target: str, file: str) -> None:
        """`runner send`, with a file in the program's folder."""
        command = [sys.executable, "-m", "runner", "send", target, file]
        subprocess.run(command, cwd=self.folder, env=self.environment(), check=True)

    # -- what it does ----------------------------------------------------------------------

    def post(self, body: Any, path: str = "/work", headers: Mapping[str, str] | None = None) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        wanted = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", path, data, wanted)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, dict(headers or {}), method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return Answer(answer.status, answer.headers, _json(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, _json(error.read()))

    def answers(self, path: str) -> int:
        """The status of a GET; 0 where nothing answers."""
        try:
            return self.request("GET", path).status
        except (OSError, http.client.HTTPException):
            return 0

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    @property
    def notes(self) -> list[Note]:
        ledger = self.folder / "ledger"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return [Note(stage, int(n), int(attempt), int(pid)) for stage, n, attempt, pid in map(str.split, lines)]

    def done(self) -> set[int]:
        """The numbers that have come to the last stage."""
        return {note.n for note in self.notes if note.stage == "two"}

    def wait_done(self, numbers: Iterable[int], *, timeout: float = TIMEOUT * 2) -> None:
        wanted = set(numbers)
        wait_until(lambda: wanted <= self.done(), timeout=timeout)

    def worker_pids(self) -> set[int]:
        return {note.pid for note in self.notes}

    # -- what is on the broker -----------------------------------------------------------------

    def depths(self) -> Mapping[str, Depth]:
        loaded = load(self.folder / "pipeline.yaml")
        broker = connect(loaded.pipeline, "test")
        broker.start(plan(loaded.pipeline), timeout=TIMEOUT)
        try:
            return broker.depths(loaded.pipeline.queues)
        finally:
            broker.close()

    def wait_settled(self, *dead: int) -> None:
        """Until nothing is ready, in hand or delayed, and the dead letters are as many as
        one of `dead` (none, where it isn't given)."""

        def settled() -> bool:
            depths = self.depths().values()
            left = sum(depth.ready + depth.in_hand + depth.delayed for depth in depths)
            return not left and sum(depth.dead for depth in depths) in (dead or (0,))

        wait_until(settled)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
