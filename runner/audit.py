"""Where operators' deeds are written down: one JSON object a line, in `var/audit.jsonl`.

A file that has become large is put aside, and stays: how long a trail is kept is the operator's to say.
"""

from __future__ import annotations

import errno
import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from runner.deadletters import DeadLetter
from runner.errors import RunnerError
from runner.locks import try_lock
from runner.message import root_id
from runner.privacy.files import make_file, make_folder
from runner.privacy.masking import mask

AUDIT = Path("var") / "audit.jsonl"
LARGEST = 16 << 20
"""Bytes after which the file is put aside, as `audit-TIME.jsonl`, and a new one begun."""
LOOKED_THROUGH = 4 * LARGEST
"""Bytes of the trail that are read at most, from the last deed back."""
BLOCK = 1 << 18
"""Bytes that are read at once."""
EARLIER = 86_400.0
"""Seconds that a deed may be older than what is known of its message: another program's may have waited long
before a worker took it, and clocks differ."""


INTERRUPTED = "it was interrupted, and may be done in whole or in part"
_PAST = {
    "replay": "replayed",
    "drop": "dropped",
    "edit": "edited",
    "cancel": "cancelled",
    "drain": "drained",
    "fill": "put back",
    "reveal": "opened",
    "move": "moved",
    "migrate": "migrated",
    "pause": "paused",
    "resume": "resumed",
}


def past(deed: str) -> str:
    """`replayed`, of `replay`."""
    return _PAST.get(deed, deed)


class Trail:
    """What an operator does at once, and why, for the pipeline in `folder`."""

    def __init__(self, folder: Path, deed: str, reason: str, by: str = "") -> None:
        """`by` is who does it, where that isn't the owner of this process."""
        self._path = folder / AUDIT
        self._deed = deed
        self.reason = mask(reason)
        self.who = by or who()
        self.in_words = f"{past(deed)} by {self.who}" + (f": {self.reason}" if reason else "")
        """For a message's journey: `replayed by ada: the bank is back`."""

    def write(self, letter: DeadLetter, to: str, failed: str = "") -> None:
        """Write down what is about to happen to `letter`, or why it did not happen after all; it is in
        the file when this returns. Raises RunnerError."""
        about = {"id": letter.id, "queue": letter.queue, "to": to or None, "stage": letter.stage, "error": letter.error}
        self._write(about, failed)

    def write_field(self, letter: DeadLetter, field: str) -> None:
        """The same of one field of its body."""
        self._write({"id": letter.id, "queue": letter.queue, "stage": letter.stage, "field": field})

    def write_stage(self, stage: str, queue: str, failed: str = "") -> None:
        """The same of a stage as a whole."""
        self._write({"stage": stage, "queue": queue}, failed)

    def write_move(self, source: str, to: str, messages: int, failed: str = "") -> None:
        """The same of so many messages at once, from one queue to another, or from one broker."""
        self._write({"from": mask(source), "to": mask(to), "messages": messages}, failed)

    @contextmanager
    def moving(self, source: str, to: str, messages: int) -> Iterator[None]:
        """Write that down before it happens, and why nothing or not all came of it if that raises."""
        self.write_move(source, to, messages)
        failed = INTERRUPTED
        try:
            yield
            failed = ""
        except RunnerError as error:
            failed = str(error)
            raise
        finally:
            if failed:
                self.write_move(source, to, messages, failed)

    def _write(self, about: Mapping[str, str | int | None], failed: str = "") -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = {"time": time, "who": self.who, "deed": self._deed, **about, "reason": self.reason}
        entry |= {"failed": mask(failed)} if failed else {}
        try:
            self._append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise RunnerError(f"{self._path}: the audit trail can't be written: {error.strerror}") from error

    def _append(self, line: bytes) -> None:
        make_folder(self._path.parent)
        file = make_file(self._path, os.O_APPEND)
        try:
            if (size := os.fstat(file).st_size) and os.pread(file, 1, size - 1) != b"\n":  # a full disk took a part
                line = b"\n" + line
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if os.fstat(file).st_size >= LARGEST:
                with suppress(OSError):  # the deed is written down; the next one tries again
                    self._put_aside(file)
        finally:
            os.close(file)

    def _put_aside(self, file: int) -> None:
        """One process does it, and never over another file."""
        aside = self._path.with_name(f"{self._path.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S}Z.jsonl")
        if try_lock(file) and os.path.samestat(os.fstat(file), self._path.stat()) and not aside.exists():
            self._path.rename(aside)


def read_trail(folder: Path, most: int) -> list[dict[str, Any]]:
    """The last `most` deeds, the newest first. Lines that are no deeds are left out. Raises RunnerError."""
    return [entry for line in islice(_lines(folder), most) if (entry := _entry(line)) is not None]


def deeds_of(folder: Path, id: str, since: float = 0.0) -> list[dict[str, Any]]:
    """The deeds about the message `id` and its copies, the oldest first; `since` (seconds since 1970) the message
    is known. Raises RunnerError."""
    sought, begun = id.encode(), b'{"time":"'
    first = datetime.fromtimestamp(max(0.0, since - EARLIER), UTC).isoformat(timespec="milliseconds").encode()
    found = []
    for line in _lines(folder):
        if line.startswith(begun) and line[len(begun) :] < first:
            break
        entry = _entry(line) if sought in line else None
        if entry is not None and root_id(str(entry.get("id"))) == id:
            found.append(entry)
    return found[::-1]


def _lines(folder: Path) -> Iterator[bytes]:
    """From the last one back, through the files that were put aside as well. Raises RunnerError."""
    path = folder / AUDIT
    seen, left = set(), LOOKED_THROUGH
    try:
        for name in (path, *sorted(path.parent.glob(f"{path.stem}-*.jsonl"), reverse=True)):
            with suppress(FileNotFoundError), name.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino not in seen:  # it may be put aside meanwhile, and come again
                    seen.add(status.st_ino)
                    yield from _backwards(file, status.st_size, max(0, status.st_size - left))
                    left -= status.st_size
    except OSError as error:
        raise RunnerError(f"{path}: the audit trail can't be read: {error.strerror}") from error


def _backwards(file: BinaryIO, end: int, begin: int) -> Iterator[bytes]:
    """The lines of a file that are not empty between two of its bytes, the last one first."""
    rest = b""
    while end > begin:
        start = max(begin, end - BLOCK)
        file.seek(start)
        first, *lines = (file.read(end - start) + rest).split(b"\n")
        yield from filter(None, reversed(lines))
        rest, end = first, start
    if rest:
        yield rest


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None


def who() -> str:
    """The operator, by the name of the login."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return f"uid {os.getuid()}"
