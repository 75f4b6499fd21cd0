"""`production: true` refuses what is only for development."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.privacy.keyset import make_keys
from tests.config.files import problems_of

SCHEMA = {"properties": {"cardNo": {"type": "string", "x-sensitive": {"show": "last4"}}}}
STAGES = "stages: {s: {consume: a, handler: 'tests.config.handlers:take'}}\n"
QUEUES = "queues: {a: {schema: sealed.json}}\nkeys: file:var/keys\n"


def problems(
    folder: Path,
    more: str = "",
    listen: str = "127.0.0.1:5000",
    production: str = "true",
    route: str = "publish: a",
) -> list[str]:
    (folder / "sealed.json").write_text(json.dumps(SCHEMA))
    http = f"http: {{listen: '{listen}', routes: {{POST /a: {{{route}}}}}}}\n"
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


@pytest.mark.parametrize("route", ["publish: a", "publish: a, auth: off", "publish: a, auth: 'off'"])
def test_an_intake_that_other_machines_reach_has_to_ask_who_posts(folder: Path, route: str) -> None:
    [problem] = problems(folder, "ledger: sqlite:ledger.db\n", listen="0.0.0.0:5000", route=route)
    assert "route POST /a: other machines reach 0.0.0.0:5000, and nothing asks them who they are" in problem


@pytest.mark.parametrize("who", ["auth: nobody", "verify: {}"])
def test_one_whose_question_cannot_be_read_is_told_of_that_alone(folder: Path, who: str) -> None:
    told = problems(folder, "ledger: sqlite:ledger.db\n", listen="0.0.0.0:5000", route=f"publish: a, {who}")
    assert told
    assert not any("who they are" in problem for problem in told)


@pytest.mark.parametrize("who", ["auth: api_key", f"verify: {{secrets: [whsec_{'A' * 32}]}}"])
def test_an_intake_that_asks_who_posts_may_be_reached_by_other_machines(folder: Path, who: str) -> None:
    ledger = "ledger: sqlite:ledger.db\n"
    assert problems(folder, ledger, listen="0.0.0.0:5000", route=f"publish: a, {who}") == []


@pytest.mark.parametrize(
    ("host", "is_open"),
    [
        ("127.0.0.1", False),
        ("[::1]", False),
        ("localhost", False),
        ("[::]", True),
        ("10.0.0.1", True),
        ("shop.example", True),
    ],
)
def test_development_is_warned_where_other_machines_may_post(host: str, is_open: bool) -> None:
    text = f"{QUEUES}http: {{listen: '{host}:5000', routes: {{POST /a: {{publish: a}}}}}}\n{STAGES}"
    text = text.replace("{schema: sealed.json}", "{}")
    found = [problem for problem in problems_of(text) if "who they are" in problem.message]
    assert [problem.severity for problem in found] == (["warning"] if is_open else [])


CONSOLE = "console: {{listen: '{listen}'{more}}}\n"


def test_a_console_that_other_machines_reach_needs_tokens_and_tls(tmp_path: Path) -> None:
    more = CONSOLE.format(listen="0.0.0.0:5001", more="")
    tokens, tls = problems(tmp_path, more)
    reached = "console: other machines reach 0.0.0.0:5001, and "
    assert tokens.startswith(f"{reached}nothing asks them who they are; add 'tokens'")
    assert tls.startswith(f"{reached}tokens would pass the network in the clear; add 'tls'")
    assert problems(tmp_path, more, production="false") == [], "which only warns"


def test_a_console_for_this_machine_needs_neither(tmp_path: Path) -> None:
    assert problems(tmp_path, CONSOLE.format(listen="127.0.0.1:5001", more="")) == problems(tmp_path)


def test_a_console_with_tokens_is_told_of_tls_only(tmp_path: Path) -> None:
    tokens = f", tokens: {{ada: {{hash: {'0a' * 32}}}}}"
    [told] = problems(tmp_path, CONSOLE.format(listen="0.0.0.0:5001", more=tokens))
    assert "tokens would pass the network in the clear" in told
