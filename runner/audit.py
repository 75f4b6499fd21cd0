"""Where operators' deeds are written down: one JSON object a line, in `var/audit.jsonl`."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from runner.deadletters import DeadLetter
from runner.errors import RunnerError
from runner.message import root_id
from runner.privacy.files import make_file
from runner.privacy.masking import mask

AUDIT = Path("var") / "audit.jsonl"
LONGEST = 4096
"""Bytes of a deed that are counted on, to find the last ones."""


_PAST = {
    "replay": "replayed",
    "drop": "dropped",
    "edit": "edited",
    "cancel": "cancelled",
    "drain": "drained",
    "fill": "put back",
}


class Trail:
    """What an operator does at once, and why, for the pipeline in `folder`."""

    def __init__(self, folder: Path, deed: str, reason: str, by: str = "") -> None:
        """`by` is who does it, where that isn't the owner of this process."""
        self._path = folder / AUDIT
        self._deed = deed
        self.reason = mask(reason)
        self.who = by or who()
        self.in_words = f"{_PAST.get(deed, deed)} by {self.who}" + (f": {self.reason}" if reason else "")
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

    def _write(self, about: Mapping[str, str | None], failed: str = "") -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = {"time": time, "who": self.who, "deed": self._deed, **about, "reason": self.reason}
        entry |= {"failed": mask(failed)} if failed else {}
        try:
            self._append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise RunnerError(f"{self._path}: the audit trail can't be written: {error.strerror}") from error

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = make_file(self._path, os.O_APPEND)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def read_trail(folder: Path, most: int) -> list[dict[str, Any]]:
    """The last `most` deeds, the newest first. Lines that are no deeds are left out. Raises RunnerError."""
    try:
        with (folder / AUDIT).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most * LONGEST))
            lines = file.read().splitlines()[-most:]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunnerError(f"{folder / AUDIT}: the audit trail can't be read: {error.strerror}") from error
    return [entry for line in reversed(lines) if (entry := _entry(line)) is not None]


def deeds_of(folder: Path, id: str) -> Iterator[dict[str, Any]]:
    """The deeds about the message `id` and its copies, the oldest first. Raises RunnerError."""
    sought = id.encode()
    try:
        with (folder / AUDIT).open("rb") as lines:
            for line in lines:
                entry = _entry(line) if sought in line else None
                if entry is not None and root_id(str(entry.get("id"))) == id:
                    yield entry
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunnerError(f"{folder / AUDIT}: the audit trail can't be read: {error.strerror}") from error


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
