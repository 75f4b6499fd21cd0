"""What `runner try` prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.commands.prompt import run

PIPELINE = """
mailbox: {listen: "127.0.0.1:PORT"}
queues: {orders: {}, mails: {}}
stages:
  charge: {consume: orders, handler: "handlers:charge", publish: [{when: {required: [kind]}, to: mails}]}
  mail:
    consume: mails
    handler: runner.library.mail:SendMail
    settings: {server: 127.0.0.1, port: PORT, default_sender: a@example.com}
"""
HANDLERS = """
from runner import Reject

def charge(message):
    if message.body.get("bad"):
        raise ValueError("no such card")
    if message.body.get("odd"):
        raise Reject("odd")
    return {"kind": message.body["kind"], "trace": message.headers.get("X-Request-ID")}
"""


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE.replace("PORT", str(free_port())))
    return file


@pytest.mark.usefixtures("pipeline")
def test_it_says_that_the_handler_runs_for_real_and_what_comes_of_it() -> None:
    tried = run("try", "charge", "-", "--id", "m1", "--header", "X-Request-ID=r7", stdin=b'{"kind": "paid  well"}')
    assert tried.exit_code == 0
    assert "the handler runs for real" in tried.stderr
    first, *lines = tried.stdout.splitlines()
    assert first.startswith("charge: handled after ")
    assert lines == [
        "",
        "message m1",
        "  {",
        '    "kind": "paid  well",',
        '    "trace": "r7"',
        "  }",
        "  route 1 to mails (has kind): taken",
        "    mails: has no schema",
    ]


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ('{"odd": 1}', 4, "charge: to the dead letters after "),
        ('{"bad": 1}', 6, "ValueError: no such card"),
        ("{", 1, "the body is not JSON"),
        ("", 1, "there is nothing to try"),
    ],
)
def test_the_exit_status_says_what_a_run_would_do(body: str, status: int, said: str) -> None:
    tried = run("try", "charge", "-", stdin=body.encode())
    assert tried.exit_code == status
    assert said in tried.output


@pytest.mark.usefixtures("pipeline")
def test_a_mailbox_that_does_not_run_is_told_with_how_to_start_it() -> None:
    mail = b'{"to": "b@example.com", "subject": "s", "text": "t"}'
    tried = run("try", "mail", "-", stdin=mail)
    assert tried.exit_code == 5
    assert "is not running; 'runner run --only mailbox' starts it" in tried.stdout


@pytest.mark.usefixtures("pipeline")
def test_for_a_program_it_is_an_object() -> None:
    document = json.loads(run("try", "charge", "-", "--format", "json", stdin=b'{"kind": "paid"}').stdout)
    assert (document["outcome"], document["messages"][0]["routes"][0]["taken"]) == ("handled", True)


@pytest.mark.usefixtures("pipeline")
def test_what_is_asked_wrongly_is_said() -> None:
    assert "did you mean 'charge'?" in run("try", "charg", "-", stdin=b"{}").stderr
    assert run("try", "charge", "-", "--header", "Authorization=x", stdin=b"{}").exit_code == 2
    assert run("try", "charge", "-", "--id", "a\nb", stdin=b"{}").exit_code == 2
