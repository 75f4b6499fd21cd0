"""The page of the audit trail."""

from __future__ import annotations

from pathlib import Path

from runner.audit import AUDIT, Trail
from runner.brokers.base import Shelved
from runner.deadletters import read
from tests.console.conftest import Shown


def test_it_says_who_did_what_and_why(shown: Shown, tmp_path: Path) -> None:
    assert "Nobody has done anything yet." in shown.ask("/audit").body
    Trail(tmp_path, "drop", "a <test>", by="ada").write(read("orders", Shelved("m1", b"{}", {}, 0)), "", "it was gone")
    page = shown.ask("/audit").body
    assert "ada" in page
    assert "a &lt;test&gt;" in page
    assert "did not happen: it was gone" in page
    assert "m1" in shown.ask("/audit?id=m1").body
    Trail(tmp_path, "pause", "the bank is down", by="ada").write_stage("check", "orders")
    assert "check" in shown.ask("/audit").body
    assert "Nobody has done anything to that message." in shown.ask("/audit?id=m2").body


def test_what_was_moved_at_once_is_told_by_its_ends(shown: Shown, tmp_path: Path) -> None:
    Trail(tmp_path, "migrate", "longer", by="ada").write_move("orders", "purchases", 1_200)
    assert "orders → purchases, 1,200 messages" in shown.ask("/audit").body


def test_what_somebody_else_wrote_there_breaks_nothing(shown: Shown, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / AUDIT).write_text('{"time": 7, "who": ["x"]}\n[1]\nnonsense\n')
    assert shown.ask("/audit").status == 200
