"""The child that tells people, in a whole run: over real SMTP and HTTP."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ports import free_port
from runner.mailbox.server import MailboxServer
from runner.pipeline import Address
from tests.alerts.receiver import Receiver, receiving
from tests.system.program import PIPELINE, Program
from tests.waiting import wait_until

ALERTS = """
alerts:
  dead_letters: 0
  not_ready: 1s
  mail:
    to: [ops@example.com]
    settings: {server: 127.0.0.1, port: SMTP, default_sender: runner@example.com}
  webhook: {url: "HOOK", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAA}
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def test_a_dead_letter_is_told_by_mail_and_webhook_though_both_were_away(tmp_path: Path, receiver: Receiver) -> None:
    smtp = free_port()
    receiver.answers = [503, 200]
    text = PIPELINE + ALERTS.replace("SMTP", str(smtp)).replace("HOOK", receiver.url)
    program = Program(tmp_path, "embedded:broker.db", text)
    program.start()
    try:
        assert program.post({"n": 1, "do": {"one": "reject"}}).status == 202
        wait_until(lambda: len(receiver.got) == 2, timeout=60)
        first, second = receiver.got
        assert first[1]["webhook-id"] == second[1]["webhook-id"], "it is the same notice"
        assert json.loads(second[2])["data"]["text"] == "first has 1 dead letter"
        wait_until(lambda: "alerts: mail: " in program.log)
        with MailboxServer(Address("127.0.0.1", smtp), tmp_path / "mailbox"):
            wait_until(lambda: list((tmp_path / "mailbox" / "new").iterdir()), timeout=60)
        assert program.post({"n": 2}).status == 202
        program.wait_done([2])
    finally:
        assert program.stop() == 0


def test_it_is_restarted_when_it_dies_and_tells_again_what_still_holds(tmp_path: Path, receiver: Receiver) -> None:
    text = PIPELINE + ALERTS.replace("SMTP", "1").replace("HOOK", receiver.url)
    program = Program(tmp_path, "embedded:broker.db", text)
    program.start()
    try:
        assert program.post({"n": 1, "do": {"one": "reject"}}).status == 202
        wait_until(lambda: receiver.got, timeout=60)
        os.kill(min(_children(program.pid)), signal.SIGKILL)  # it is started first
        wait_until(lambda: len(receiver.got) > 1, timeout=60)
    finally:
        program.stop()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
