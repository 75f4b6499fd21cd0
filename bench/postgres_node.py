"""A private PostgreSQL server for benchmarks and tests: a private port, a temporary folder, loopback only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

HOW_TO_GET_IT = "PostgreSQL's tests were left out: no server here. To run them: apt-get install postgresql"
RECOVERS_SOON = ("-c", "recovery_init_sync_method=syncfs")
"""After a kill it would sync every file of every database that tests have left, one by one: most of a minute."""
BOOT_TIMEOUT = 180.0
"""Seconds."""
_POLL = 0.05


def server_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, the newest; None where there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    for folder in (*reversed(debian), *(Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep))):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


class PostgresNode:
    """One server, running from `start()` to `kill()`, which may alternate: its port and its data
    stay the same until `close()`. A context manager."""

    def __init__(self, *, durable: bool = True) -> None:
        """`durable`: whether it waits for the disk, without which `kill()` loses nothing either."""
        command: list[str | Path]
        programs = server_programs()
        if programs is None:
            raise FileNotFoundError(HOW_TO_GET_IT)
        self._programs = programs
        self._options = (*RECOVERS_SOON, *(() if durable else ("-F",)))
        self._user = None if os.getuid() else pwd.getpwnam("postgres").pw_uid  # it refuses to run as root
        self.folder = Path(tempfile.mkdtemp(prefix="runner-postgres-"))
        if self._user is not None:
            os.chown(self.folder, self._user, -1)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        command = [programs / "initdb", "--auth=trust", "--username=runner", "--no-sync", "-D", self._data]
        subprocess.run(command, check=True, user=self._user, stdout=subprocess.DEVNULL, cwd=self.folder)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://runner@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Returns when it answers."""
        command: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self._data,
            "-h",
            "127.0.0.1",
            "-p",
            str(self._port),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-k", self.folder, *self._options], user=self._user, stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + BOOT_TIMEOUT
        ready: list[str | Path] = [self._programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self._port)]
        while subprocess.run(ready, check=False, stdout=subprocess.DEVNULL).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL doesn't start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(_POLL)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        command: list[str | Path] = [
            self._programs / "createdb",
            "-h",
            "127.0.0.1",
            "-p",
            str(self._port),
            "-U",
            "runner",
            name,
        ]
        subprocess.run(command, check=True)
        return self.url(name)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It answers nothing meanwhile; its connections stay."""
        assert self._process is not None
        server = self._process.pid
        os.kill(server, signal.SIGSTOP)  # first: it starts no more processes
        found = subprocess.run(["pgrep", "-P", str(server)], check=False, capture_output=True, text=True)
        stopped = [server, *map(int, found.stdout.split())]
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
