"""The embedded broker's URLs: which file they name, and how they are shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.brokers.embedded.url import described, parse, path_of, shown


def test_a_relative_path_starts_at_the_pipelines_folder() -> None:
    (url,) = parse("embedded:var/broker.db", Path("/there"))
    assert url == "embedded:/there/var/broker.db"
    assert path_of(url) == Path("/there/var/broker.db")
    assert parse("embedded:/elsewhere/b.db", Path("/there")) == ("embedded:/elsewhere/b.db",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("embedded:", "needs a path"),
        ("embedded://x", "needs a path"),
        ("embedded:.", "names the folder"),
        ("embedded:a\0b", "a NUL in it"),
        (f"embedded:{'a' * 250}", "can't be used: file name too long"),
        (f"embedded:{'a/' * 5000}b", "can't be used: file name too long"),
        ("embedded:file/broker.db", "can't be used: not a directory"),
        ("embedded:loop/broker.db", "can't be used: too many levels"),
        ("embedded:pipe", "not a regular file"),
        ("embedded:/dev/zero", "not a regular file"),
    ],
)
def test_what_names_no_file_is_reported(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=problem):
        parse(text, tmp_path)


def test_a_path_below_the_pipelines_folder_is_shown_as_it_would_be_written_there() -> None:
    assert shown("embedded:/there/var/broker.db", Path("/there")) == "embedded:var/broker.db"
    assert shown("embedded:/elsewhere/broker.db", Path("/there")) == "embedded:/elsewhere/broker.db"


def test_a_run_says_that_it_is_for_one_machine_and_how_to_outgrow_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"embedded:{tmp_path}/broker.db"
    assert described((url,), variable=None) == "embedded, broker.db (one machine)"
    assert described((url,), variable="BROKER") == ("embedded, broker.db (one machine; BROKER=amqp://… for RabbitMQ)")
