"""The shipped pipeline in a folder of its own: started, hit, and asked what it has done."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bench.ports import free_port
from tests.chaos.accounting import Books, Mail
from tests.dead_letters import dead_letters

ROOT = Path(__file__).parents[2]
QUEUES = ("payment_queue", "validated_payment_queue", "notification_queue")
PATIENT = "retry: {attempts: 19, delay: 200ms, max_delay: 2s}"
"""Whoever is hit is not to blame: no payment may run out of attempts by that alone."""
_ID = re.compile(r"^Message-ID: <([0-9a-f]{32})\.([a-z]+)@", re.MULTILINE | re.IGNORECASE)
_TO = re.compile(r"^To: .*?([^\s<>]+@[^\s<>]+)", re.MULTILINE | re.IGNORECASE)


class House:
    """`runner run` in `folder`, on the broker `url`, whose dead letters are looked at by `outside`,
    with the ledger `ledger`."""

    def __init__(self, folder: Path, url: str, outside: str, ledger: str) -> None:
        self.folder, self.url, self.outside, self.port = folder, url, outside, free_port()
        self._ledger = ledger
        self._mailbox = free_port()
        self._log = folder / "log"
        self._program: subprocess.Popen[bytes] | None = None
        self._read: dict[str, Mail] = {}
        """The mails that were read already, by their files' names."""
        for name in ("schemas", "stages"):  # the charges lie beside the stages
            shutil.copytree(ROOT / name, folder / name)
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
            "DATABASE_URL": self._ledger,
            "CONSOLE": "127.0.0.1:0",
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

    def relay(self) -> int | None:
        """The process that takes the mails; None while there is none."""
        return next((pid for pid in self.children() if self._mailbox in _listening(pid)), None)

    # -- what it has done ---------------------------------------------------------------

    def books(self) -> Books:
        """The gateway's charges, and all mails; the dead letters as well, which takes a while."""
        dead = frozenset(letter.id for queue in QUEUES for letter in dead_letters(self.outside, queue))
        return Books(self._charges(), self._mails(), dead)

    def _charges(self) -> dict[str, int]:
        file = self.folder / "var/charges.db"
        if not file.exists():
            return {}
        with closing(sqlite3.connect(file, timeout=30)) as charges:
            return dict(charges.execute("SELECT key, count(*) FROM charge GROUP BY key"))

    def _mails(self) -> list[Mail]:
        for file in (self.folder / "var/mailbox/new").glob("*"):
            if file.name not in self._read:
                text = file.read_text(errors="replace")
                found, to = _ID.search(text), _TO.search(text)
                self._read[file.name] = Mail(found[1] if found else "", found[2] if found else "", to[1] if to else "")
        return list(self._read.values())

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def _listening(pid: int) -> set[int]:
    """The TCP ports on which a process listens."""
    try:
        links = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return set()
    rows = (line.split() for line in lines)
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links}


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
