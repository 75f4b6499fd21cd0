"""What handlers say that are asked."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from runner import Message, Pause
from runner.doctor.handlers import handlers
from runner.findings import Finding
from runner.processes.runs import RunFile
from tests.library.mail.relays import ScriptedRelay
from tests.pipelines import loaded

HERE = "tests.doctor.test_handlers"
PIPELINE = """
name: t
broker: BROKER
MAILBOX
queues: {a: {external: true}}
stages: {one: {consume: a, handler: "HANDLER", settings: SETTINGS}}
"""
MAIL = "runner.library.mail:SendMail"


class Bank:
    def __init__(self, *, answer: str) -> None:
        self._answer = answer

    def __call__(self, message: Message) -> None: ...

    def probe(self) -> str:
        if self._answer == "pause":
            raise Pause("closed for today", delay=1)
        if self._answer == "break":
            raise ValueError("not mine")
        if self._answer.startswith("http"):
            raise ValueError(f"401 from {self._answer}")
        return self._answer


def found(folder: Path, handler: str, settings: str, mailbox: str = "") -> Finding:
    text = PIPELINE.replace("HANDLER", handler).replace("SETTINGS", settings).replace("MAILBOX", mailbox)
    [one] = handlers(loaded(folder, text))
    return one


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        ("open until six", "ok", "open until six"),
        ("pause", "fault", "closed for today"),
        ("break", "fault", "ValueError: not mine"),
    ],
)
def test_a_handler_with_a_probe_is_asked(tmp_path: Path, answer: str, level: str, text: str) -> None:
    one = found(tmp_path, f"{HERE}:Bank", f"{{answer: {answer}}}")
    assert (one.level, one.subject, one.text) == (level, "stage one", text)


def test_what_came_from_a_variable_is_not_in_what_it_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "https://hooks.example/T0/B1")
    one = found(tmp_path, f"{HERE}:Bank", '{answer: "${HOOK}"}')
    assert one.text == "ValueError: 401 from ********"


def test_a_handler_without_one_is_left_alone(tmp_path: Path) -> None:
    text = PIPELINE.replace("HANDLER", "tests.commands.prompt:take").replace("SETTINGS", "{}").replace("MAILBOX", "")
    assert list(handlers(loaded(tmp_path, text))) == []


def test_a_mail_server_is_asked_and_gets_no_mail(tmp_path: Path) -> None:
    with ScriptedRelay() as relay:
        settings = f"{{server: 127.0.0.1, port: {relay.port}, default_sender: shop@example.com}}"
        one = found(tmp_path, MAIL, settings)
        assert relay.mails == []
        assert relay.verbs()[-1] == "QUIT"
    assert (one.level, one.text.split("; ")[1]) == ("ok", "without TLS, without a log-in")
    assert found(tmp_path, MAIL, settings).text.startswith(f"mail server 127.0.0.1:{relay.port} can't be reached")


def test_the_mailbox_of_the_pipeline_comes_with_a_run(tmp_path: Path) -> None:
    mailbox = "mailbox: {listen: '127.0.0.1:1', folder: box}"
    settings = "{server: 127.0.0.1, port: 1, default_sender: shop@example.com}"
    assert found(tmp_path, MAIL, settings, mailbox).level == "ok"
    with closing(RunFile(tmp_path / "pipeline.yaml")):
        assert found(tmp_path, MAIL, settings, mailbox).level == "fault"
