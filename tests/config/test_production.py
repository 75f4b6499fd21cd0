"""`production: true` refuses what is only for development."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.config.production import is_open_to_all
from runner.pipeline import Address, Http
from runner.privacy.keyset import make_keys
from tests.config.files import problems_of

SCHEMA = {"properties": {"cardNo": {"type": "string", "x-sensitive": {"show": "last4"}}}}
STAGES = "stages: {s: {consume: a, handler: 'tests.config.handlers:take'}}\n"
QUEUES = "queues: {a: {schema: sealed.json}}\nkeys: file:var/keys\n"


def problems(folder: Path, more: str = "", listen: str = "127.0.0.1:5000", production: str = "true") -> list[str]:
    (folder / "sealed.json").write_text(json.dumps(SCHEMA))
    http = f"http: {{listen: '{listen}', routes: {{POST /a: {{publish: a}}}}}}\n"
    text = f"production: {production}\n{QUEUES}{http}{STAGES}{more}"
    return [problem.message for problem in problems_of(text) if problem.severity == "error"]


def test_a_pipeline_for_production_is_fine(folder: Path) -> None:
    make_keys(folder / "var/keys")
    assert problems(folder) == []


def test_where_it_only_carries_there_need_be_no_keys(folder: Path) -> None:
    assert problems(folder) == []


def test_made_up_keys_are_refused(folder: Path) -> None:
    make_keys(folder / "var/keys", development=True)
    assert problems(folder, production="false") == []
    [problem] = problems(folder)
    assert "keys has a key that a run made up for development, and this is production" in problem


def test_damaged_keys_are_refused(folder: Path) -> None:
    make_keys(folder / "var/keys")
    (folder / "var/keys").write_text("x")
    assert "isn't one of 'runner keys', or is damaged" in problems(folder)[0]


def test_the_mailbox_is_refused(folder: Path) -> None:
    assert problems(folder, "mailbox: {listen: '127.0.0.1:1025'}\n") == [
        "mailbox keeps mails and delivers none, and this is production; remove it"
    ]


def test_an_intake_that_other_machines_reach_is_refused(folder: Path) -> None:
    [problem] = problems(folder, listen="0.0.0.0:5000")
    assert "http.listen 0.0.0.0:5000 can be reached from other machines, nothing asks who posts" in problem


@pytest.mark.parametrize(
    ("host", "is_open"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("::", True),
        ("10.0.0.1", True),
        ("shop.example", True),
    ],
)
def test_only_this_machine_reaches_its_loopback(host: str, is_open: bool) -> None:
    assert is_open_to_all(Http(Address(host, 5000))) is is_open
