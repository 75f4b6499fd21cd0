"""The shipped pipeline in a folder of its own: started, hit, and asked where each payment is."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.ports import free_port
from tests.dead_letters import dead_letters

ROOT = Path(__file__).parents[2]
QUEUES = ("payment_queue", "validated_payment_queue", "notification_queue")
PATIENT = "retry: {attempts: 19, delay: 200ms, max_delay: 2s}"
"""Whoever is hit is not to blame: no payment may run out of attempts by that alone."""
_MAIL = re.compile(rb"^Message-ID: <([0-9a-f]{32})\.", re.MULTILINE)


class House:
    """`runner run` in `folder`, on the broker `url`, whose dead letters are looked at by `outside`."""

    def __init__(self, folder: Path, url: str, outside: str) -> None:
        self.folder, self.url, self.outside, self.port = folder, url, outside, free_port()
        self._mailbox = free_port()
        self._log = folder / "log"
        self._program: subprocess.Popen[bytes] | None = None
        shutil.copytree(ROOT / "schemas", folder / "schemas")
        text = re.sub(r"retry: \{.*\}", PATIENT, (ROOT / "pipeline.yaml").read_text())
        text = text.replace("listen: 127.0.0.1:1025", f"listen: 127.0.0.1:{self._mailbox}")
        text += f"defaults: {{{PATIENT}}}\n"
        (folder / "pipeline.yaml").write_text(
            text.replace("listen: 127.0.0.1:1025", f"listen: 127.0.0.1:{self._mailbox}")
        )

    # -- its life -----------------------------------------------------------------------

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._program is not None and self._program.poll() is None:
            return
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "BROKER_URL": self.url,
            "LISTEN": f"127.0.0.1:{self.port}",
            "MAIL_PORT": str(self._mailbox),
        }
        with self._log.open("ab") as log:
            self._program = subprocess.Popen(
                [sys.executable, "-m", "runner", "run", "--processes", "2"],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> int:
        """End it in good order, or else by force; its exit status."""
        program = self._program
        if program is None:
            return 0
        if program.poll() is None:
            self.resume()
            program.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(40)
        for pid in [program.pid, *self.children()]:
            hit(pid, signal.SIGKILL)
        return program.wait(10)

    def resume(self) -> None:
        """Let every process go on that was stopped."""
        for pid in self.processes():
            hit(pid, signal.SIGCONT)

    # -- its processes ------------------------------------------------------------------

    def processes(self) -> list[int]:
        """The supervisor first, then all that it has started; none where it doesn't run."""
        program = self._program
        if program is None or program.poll() is not None:
            return []
        return [program.pid, *self.children()]

    def children(self) -> list[int]:
        """All processes below the supervisor, in the order of their starts."""
        program = self._program
        if program is None:
            return []
        lines = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        parents = {int(pid): int(parent) for pid, parent in map(str.split, lines.splitlines())}
        return sorted(pid for pid in parents if program.pid in _ancestors(pid, parents))

    # -- where the payments are -----------------------------------------------------------

    def mailed(self) -> set[str]:
        """The payments whose payer has got a mail."""
        found: set[str] = set()
        for mail in (self.folder / "var/mailbox/new").glob("*"):
            match = _MAIL.search(mail.read_bytes())
            if match is not None:
                found.add(match[1].decode())
        return found

    def dead(self) -> set[str]:
        """The payments in the dead letters."""
        return {letter.id for queue in QUEUES for letter in dead_letters(self.outside, queue)}

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while (pid := parents.get(pid, 0)) > 1:
        yield pid


def hit(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have just gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait(seconds: float) -> None:
    """What goes wrong takes its time; nothing is waited for."""
    time.sleep(seconds)
