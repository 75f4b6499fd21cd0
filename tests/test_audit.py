"""The audit trail: who did what, in a file that only the runner's user reads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest

from runner import audit
from runner.audit import AUDIT, Trail, deeds_of, read_trail, who
from runner.brokers.base import Shelved
from runner.deadletters import DeadLetter, read
from runner.errors import RunnerError
from tests.full_disk import room_for


def letter(id: str) -> DeadLetter:
    return read("payments", Shelved(id, b"{}", {}, 0))


LETTER = letter("m")


def test_each_deed_is_a_line_that_names_who_what_and_why(tmp_path: Path) -> None:
    trail = Trail(tmp_path, "drop", "card 4000000000000119 was a test")
    trail.write(LETTER, "")
    trail.write(LETTER, "elsewhere")
    first, second = map(json.loads, (tmp_path / AUDIT).read_text().splitlines())
    assert (first["who"], first["deed"], first["id"], first["to"]) == (who(), "drop", "m", None)
    assert second["to"] == "elsewhere"
    assert "4000000000000119" not in first["reason"]
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / AUDIT, tmp_path / "var")] == [0o600, 0o700]


def test_a_move_is_written_before_it_happens_and_what_ended_it_after_that(tmp_path: Path) -> None:
    trail = Trail(tmp_path, "move", "to the cluster")
    with trail.moving("embedded:broker.db", "amqp://rabbit", 7):
        assert len(read_trail(tmp_path, 10)) == 1
    with pytest.raises(RunnerError), trail.moving("a", "b", 1):
        raise RunnerError("the queue is full")
    with pytest.raises(KeyboardInterrupt), trail.moving("c", "d", 2):
        raise KeyboardInterrupt
    told = [(d["from"], d["to"], d["messages"], d.get("failed")) for d in reversed(read_trail(tmp_path, 10))]
    assert told == [
        ("embedded:broker.db", "amqp://rabbit", 7, None),
        ("a", "b", 1, None),
        ("a", "b", 1, "the queue is full"),
        ("c", "d", 2, None),
        ("c", "d", 2, "it was interrupted, and may be done in whole or in part"),
    ]


def test_a_trail_that_cannot_be_written_is_an_error_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder belongs")
    with pytest.raises(RunnerError, match=r"audit\.jsonl: the audit trail can't be written"):
        Trail(tmp_path, "drop", "why").write(LETTER, "")


def test_a_deed_of_which_a_full_disk_takes_a_part_is_not_written_down(tmp_path: Path) -> None:
    trail = Trail(tmp_path, "drop", "why")
    trail.write(LETTER, "")
    with room_for((tmp_path / AUDIT).stat().st_size + 5), pytest.raises(RunnerError, match="No space left on device"):
        trail.write(LETTER, "nowhere")
    trail.write(LETTER, "elsewhere")
    assert [deed["to"] for deed in read_trail(tmp_path, 9)] == ["elsewhere", None]


def test_the_last_deeds_are_read_the_newest_first(tmp_path: Path) -> None:
    assert read_trail(tmp_path, 10) == []
    for reason in ("one", "two", "three"):
        Trail(tmp_path, "drop", reason, by="ada").write(LETTER, "")
    with (tmp_path / AUDIT).open("a") as file:
        file.write("half a li")
    assert [(deed["who"], deed["reason"]) for deed in read_trail(tmp_path, 3)] == [("ada", "three"), ("ada", "two")]


def files(folder: Path) -> Sequence[Path]:
    return sorted((folder / AUDIT).parent.iterdir())


def reasons(deeds: Sequence[dict[str, Any]]) -> list[str]:
    return [deed["reason"] for deed in deeds]


def test_a_file_that_has_become_large_is_put_aside_and_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "LARGEST", 1)
    Trail(tmp_path, "drop", "one").write(letter("a"), "")
    monkeypatch.setattr(audit, "LARGEST", 1 << 20)
    for reason in ("two", "three"):
        Trail(tmp_path, "drop", reason).write(letter("a"), "")
    assert len(files(tmp_path)) == 2
    assert (tmp_path / AUDIT).read_bytes().count(b"\n") == 2
    assert reasons(read_trail(tmp_path, 9)) == ["three", "two", "one"]
    assert reasons(deeds_of(tmp_path, "a")) == ["one", "two", "three"]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files(tmp_path))


def test_however_many_write_while_files_are_put_aside_no_deed_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "LARGEST", 1000)
    monkeypatch.setattr(audit, "LOOKED_THROUGH", 1 << 30)

    def write(who: int) -> None:
        for n in range(100):
            Trail(tmp_path, "drop", f"{who}-{n}").write(letter("a"), "")

    writers = [threading.Thread(target=write, args=(who,)) for who in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(files(tmp_path)) > 1
    assert set(reasons(read_trail(tmp_path, 9999))) == {f"{who}-{n}" for who in range(8) for n in range(100)}


def test_one_that_was_put_aside_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Stopped:
            return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(audit, "LARGEST", 1)
    monkeypatch.setattr(audit, "datetime", Stopped)
    for reason in ("one", "two", "three"):
        Trail(tmp_path, "drop", reason).write(letter("a"), "")
    assert [file.name for file in files(tmp_path)] == ["audit-20260102T030405Z.jsonl", "audit.jsonl"]
    assert reasons(read_trail(tmp_path, 9)) == ["three", "two", "one"]


def test_no_more_is_read_for_a_message_than_it_can_concern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "var").mkdir()
    old = '{"time":"2025-01-01T00:00:00.000+00:00","who":"ann","deed":"drop","id":"a","reason":"long ago"}\n'
    (tmp_path / AUDIT).write_text(old * 10_000)
    for copy in ("a", "a.3", "b"):
        Trail(tmp_path, "replay", copy).write(letter(copy), "")
    assert reasons(deeds_of(tmp_path, "a", since=time.time())) == ["a", "a.3"]
    monkeypatch.setattr(audit, "LOOKED_THROUGH", 10 * len(old))
    assert len(deeds_of(tmp_path, "a")) < 12, "and without a time it is bounded all the same"


def test_lines_longer_than_what_is_read_at_once_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BLOCK", 7)
    for reason in ("one", "two"):
        Trail(tmp_path, "drop", reason).write(letter("a"), "")
    assert reasons(read_trail(tmp_path, 9)) == ["two", "one"]


def test_one_who_comes_late_does_not_put_the_new_file_aside(tmp_path: Path) -> None:
    trail = Trail(tmp_path, "drop", "one")
    trail.write(letter("a"), "")
    with (tmp_path / AUDIT).open("rb") as late:
        (tmp_path / AUDIT).rename(tmp_path / "var" / "audit-1.jsonl")
        trail.write(letter("a"), "")
        trail._put_aside(late.fileno())
    assert [file.name for file in files(tmp_path)] == ["audit-1.jsonl", "audit.jsonl"]
