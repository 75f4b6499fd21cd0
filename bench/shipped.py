"""The shipped pipeline, as `runner run pipeline.yaml` starts it: all of its parts, on a fresh
broker, and on free ports."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bench.ground import Ground
from bench.load import get
from bench.ports import free_port
from bench.program import ROOT, Program
from bench.rabbitmq import settle, virtual_host

MAILBOX = "listen: 127.0.0.1:1025"
"""The only address in the file that no variable sets."""


class Shipped:
    """A context manager. Entering starts it in `folder` and waits until it is ready.

    Mail goes to `mail_port`, or to the pipeline's own mailbox, as the file says.
    """

    def __init__(self, ground: Ground, folder: Path, *, rabbitmq: bool = False, mail_port: int | None = None) -> None:
        self._ground = ground
        self._folder = folder
        self._rabbitmq = rabbitmq
        self._mail_port = mail_port
        self._stack = ExitStack()
        self.port = free_port()
        self.program: Program
        self.ready_after = 0.0
        """Seconds from its start until `/health/pipeline` answered 200."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            env = self._environment(stack)
            command = [sys.executable, "-m", "runner", "run", "pipeline.yaml"]
            began = time.monotonic()
            self.program = stack.enter_context(Program(command, self._folder, env=env, name="runner"))
            self.program.wait_until(lambda: get(self.port, "/health/pipeline") == 200, "being ready", poll=0.005)
            self.ready_after = time.monotonic() - began
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _environment(self, stack: ExitStack) -> dict[str, str]:
        """Lays out the folder, and makes the broker."""
        text = (ROOT / "pipeline.yaml").read_text()
        mailbox = free_port()
        assert MAILBOX in text, f"pipeline.yaml has no {MAILBOX!r}"
        (self._folder / "pipeline.yaml").write_text(text.replace(MAILBOX, f"listen: 127.0.0.1:{mailbox}"))
        (self._folder / "schemas").symlink_to(ROOT / "schemas")
        broker = "embedded:broker.db"
        if self._rabbitmq:
            broker = stack.enter_context(virtual_host(self._ground.node)).url
            settle(self._ground.node)
        listen = f"127.0.0.1:{self.port}"
        mail = str(self._mail_port or mailbox)
        return {"BROKER_URL": broker, "CONSOLE": "127.0.0.1:0", "LISTEN": listen, "MAIL_PORT": mail}
