"""The SMTP server for mail benchmarks: `bench/c/sink.c`, and the mails that it took."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple

from bench.ground import Ground
from bench.ports import free_port
from bench.program import Program


class Mail(NamedTuple):
    """`time` is when the server took it: seconds of the monotonic clock, which all processes share."""

    time: float
    id: str


class Sink(Program):
    """Takes every mail, `delay` milliseconds after it came. Entering waits until it listens."""

    def __init__(self, ground: Ground, folder: Path, delay: int = 0) -> None:
        self.port = free_port()
        super().__init__([str(ground.compiled("sink")), str(self.port), str(delay)], folder, name="sink")

    def __enter__(self) -> Sink:
        super().__enter__()
        self.wait_until(self._listens, "listening")
        return self

    def mails(self) -> list[Mail]:
        """The mails taken so far, in order."""
        text = self.output
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [Mail(float(moment), of) for moment, of in (line.split(" ", 1) for line in lines)]

    def count(self) -> int:
        return self.output.count("\n")

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
