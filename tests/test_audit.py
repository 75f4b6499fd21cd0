"""The audit trail: who did what, in a file that only the runner's user reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.audit import AUDIT, Trail, read_trail, who
from runner.brokers.base import Shelved
from runner.deadletters import read
from runner.errors import RunnerError

LETTER = read("payments", Shelved("m", b"{}", {}, 0))


def test_each_deed_is_a_line_that_names_who_what_and_why(tmp_path: Path) -> None:
    trail = Trail(tmp_path, "drop", "card 4000000000000119 was a test")
    trail.write(LETTER, "")
    trail.write(LETTER, "elsewhere")
    first, second = map(json.loads, (tmp_path / AUDIT).read_text().splitlines())
    assert (first["who"], first["deed"], first["id"], first["to"]) == (who(), "drop", "m", None)
    assert second["to"] == "elsewhere"
    assert "4000000000000119" not in first["reason"]
    assert (tmp_path / AUDIT).stat().st_mode & 0o777 == 0o600


def test_a_trail_that_cannot_be_written_is_an_error_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder belongs")
    with pytest.raises(RunnerError, match=r"audit\.jsonl: the audit trail can't be written"):
        Trail(tmp_path, "drop", "why").write(LETTER, "")


def test_the_last_deeds_are_read_the_newest_first(tmp_path: Path) -> None:
    assert read_trail(tmp_path, 10) == []
    for reason in ("one", "two", "three"):
        Trail(tmp_path, "drop", reason, by="ada").write(LETTER, "")
    with (tmp_path / AUDIT).open("a") as file:
        file.write("half a li")
    assert [(deed["who"], deed["reason"]) for deed in read_trail(tmp_path, 3)] == [("ada", "three"), ("ada", "two")]
