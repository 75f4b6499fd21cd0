"""`runner dead edit`: with an editor, with a file, and without a terminal."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.brokers.places import EmbeddedPlace
from tests.commands.prompt import lines, run, stored
from tests.commands.test_dead import bury, left


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Writes what its file has over the body; nothing, where that is empty."""
    wanted = tmp_path / "wanted"
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib\n"
        f"wanted = pathlib.Path({str(wanted)!r}).read_text()\n"
        "if wanted: pathlib.Path(sys.argv[1]).write_text(wanted)\n"
    )
    wanted.write_text("")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}")
    return wanted


def test_what_was_edited_is_sent_again_and_written_down(file: Path, editor: Path) -> None:
    bury(file, ("a", b'{"n": "one"}'), ("b", b'{"n": 2}'))
    editor.write_text('{"n": 1}')
    result = run("dead", "edit", "-p", file, "a", "--reason", "a typing error")
    assert result.stdout == "edited a, and sent it again to payments\n"
    assert (stored(file, "payments"), left(file)) == ([{"n": 1}], ["b"])
    [message] = EmbeddedPlace(file.parent / "broker.db").contents("payments")
    assert (message.id, message.headers) == ("a", {})
    [entry] = map(json.loads, lines((file.parent / "var" / "audit.jsonl").read_text()))
    assert (entry["deed"], entry["id"], entry["reason"]) == ("edit", "a", "a typing error")


def test_what_nobody_changed_stays(file: Path, editor: Path) -> None:
    assert editor.read_text() == ""
    bury(file, ("a", b'{"n": 1}'))
    assert run("dead", "edit", "-p", file, "a").stdout == "nothing was changed; it stays where it is\n"
    assert left(file) == ["a"]


def test_what_breaks_the_schema_is_kept_in_a_file_that_can_be_gone_on_with(file: Path, editor: Path) -> None:
    bury(file, ("a", b'{"n": 1}'))
    editor.write_text('{"n": "two"}')
    result = run("dead", "edit", "-p", file, "a")
    assert result.exit_code == 1
    assert "it can't be sent: the body breaks the schema of payments: /n must be" in result.stderr
    [name] = re.findall(r"--file (\S+\.json)", result.stderr)
    kept = Path(name)
    assert kept.read_text() == '{"n": "two"}'
    assert kept.stat().st_mode & 0o077 == 0
    assert left(file) == ["a"]
    kept.write_text('{"n": 2}')
    assert run("dead", "edit", "-p", file, "a", "--file", kept).exit_code == 0
    kept.unlink()
    assert stored(file, "payments") == [{"n": 2}]


def test_without_a_terminal_the_error_says_what_to_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    bury(file, ("a", b'{"n": 1}'))
    result = run("dead", "edit", "-p", file, "a")
    assert result.exit_code == 1
    assert "no terminal to edit in: give the body with --file FILE" in result.stderr
    assert run("dead", "edit", "-p", file, "a", "--file", "-", stdin=b'{"n": 5}').exit_code == 0
    assert stored(file, "payments") == [{"n": 5}]


def test_an_editor_that_is_not_there_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "/nowhere/editor")
    bury(file, ("a", b'{"n": 1}'))
    result = run("dead", "edit", "-p", file, "a")
    assert (result.exit_code, left(file)) == (1, ["a"])
    assert "it stays where it is" in result.stderr


def test_several_dead_letters_of_one_id_are_told_apart(file: Path, editor: Path) -> None:
    editor.write_text('{"n": 9}')
    bury(file, ("a", b'{"n": 1}'), ("a", b'{"n": 2}'))
    result = run("dead", "edit", "-p", file, "a")
    assert result.exit_code == 1
    assert "a has 2 dead letters" in result.stderr
    assert run("dead", "edit", "-p", file, "zzz").exit_code == 1


def test_what_somebody_has_dropped_meanwhile_is_not_sent(file: Path, editor: Path) -> None:
    """The editor takes long; the dead letters are not kept from others until then."""
    bury(file, ("a", b'{"n": 1}'))
    editor.write_text('{"n": 9}')
    script = file.parent / "editor.py"
    drop = [sys.executable, "-m", "runner", "dead", "drop", "--all", "--reason", "x", "-p", str(file)]
    script.write_text(script.read_text() + f"import subprocess; subprocess.run({drop!r}, check=True)\n")
    result = run("dead", "edit", "-p", file, "a")
    assert result.exit_code == 1
    assert "it is no longer there" in result.stderr
    assert "your text is kept" in result.stderr
    assert stored(file, "payments") == []


def test_an_editor_that_fails_after_it_has_saved_loses_no_text(file: Path, editor: Path) -> None:
    bury(file, ("a", b'{"n": 1}'))
    editor.write_text('{"n": 2}')
    script = file.parent / "editor.py"
    script.write_text(script.read_text() + "sys.exit(1)\n")
    result = run("dead", "edit", "-p", file, "a")
    assert (result.exit_code, left(file)) == (1, ["a"])
    [name] = re.findall(r"your text is kept: go on with 'runner dead edit a --file (\S+\.json)'", result.stderr)
    assert Path(name).read_text() == '{"n": 2}'
    Path(name).unlink()


def test_a_text_that_cannot_be_written_down_is_kept(file: Path, editor: Path) -> None:
    bury(file, ("a", b'{"n": 1}'))
    editor.write_text('{"n": 2}')
    (file.parent / "var" / "audit.jsonl").mkdir(parents=True)
    result = run("dead", "edit", "-p", file, "a")
    assert (result.exit_code, left(file)) == (1, ["a"])
    assert "the audit trail can't be written" in result.stderr
    [name] = re.findall(r"your text is kept: go on with 'runner dead edit a --file (\S+\.json)'", result.stderr)
    Path(name).unlink()


def test_an_editor_that_is_interrupted_leaves_a_word_and_no_file(
    file: Path, editor: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(**_: str) -> None:
        raise KeyboardInterrupt

    assert editor.exists()
    bury(file, ("a", b'{"n": 1}'))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("click.edit", interrupted)
    result = run("dead", "edit", "-p", file, "a")
    assert (result.exit_code, left(file)) == (1, ["a"])
    assert "it stays where it is" in result.stderr
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_editor_that_removes_the_file_is_told_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "rm")
    bury(file, ("a", b'{"n": 1}'))
    result = run("dead", "edit", "-p", file, "a")
    assert (result.exit_code, left(file)) == (1, ["a"])
    assert "it stays where it is: the editor has left no text" in result.stderr


def test_a_body_in_another_encoding_is_refused_and_a_byte_order_mark_is_taken(file: Path, tmp_path: Path) -> None:
    bury(file, ("a", b'{"n": 1}'))
    body = tmp_path / "body.json"
    body.write_bytes(b"\xff\xfe{")
    result = run("dead", "edit", "-p", file, "a", "--file", body)
    assert (result.exit_code, left(file)) == (1, ["a"])
    assert "it is not JSON" in result.stderr
    body.write_bytes(b'\xef\xbb\xbf{"n": 7}')
    assert run("dead", "edit", "-p", file, "a", "--file", body).exit_code == 0
    assert stored(file, "payments") == [{"n": 7}]
