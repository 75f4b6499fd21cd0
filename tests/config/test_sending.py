"""Mails that bypass the mailbox, as far as the file shows."""

from __future__ import annotations

import pytest

from tests.config.files import TAKE, changed, check_problems, problems_of

pytestmark = pytest.mark.usefixtures("any_schema")


def with_mailbox(listen: str, settings: str) -> str:
    return changed(
        f"end: {{consume: c, {TAKE}}}",
        f"end: {{consume: c, {TAKE}, settings: {settings}}}",
        f"¦mailbox: {{listen: {listen}}}\n",
    )


@pytest.mark.parametrize(
    ("listen", "settings"),
    [
        ("127.0.0.1:1025", "{server: smtp.example.com, port: 587}"),
        ("127.0.0.1:1026", "{server: 127.0.0.1, port: 1025}"),
        ("127.0.0.1:1025", "{server: smtp.example.com, port: 1025}"),
        ("127.0.0.1:1025", "{url: 'smtp://127.0.0.1:10255'}"),
        ("127.0.0.1:1025", "{}"),
    ],
)
def test_a_mailbox_that_no_stage_sends_to_is_pointed_out(listen: str, settings: str) -> None:
    message = (
        f"no stage has the mailbox's address {listen} in its settings, so mails may go elsewhere; "
        "let the stages send them there, or remove mailbox"
    )
    check_problems(with_mailbox(listen, settings), [message], "warning")


@pytest.mark.parametrize(
    ("listen", "settings"),
    [
        ("127.0.0.1:1025", "{server: 127.0.0.1, port: 1025}"),
        ("127.0.0.1:1025", "{mail: {host: localhost, ports: [25, '1025']}}"),
        ("localhost:1025", "{url: 'smtp://127.0.0.1:1025/?tls=no'}"),
        ("'[::1]:1025'", "{relay: '[::1]:1025'}"),
        ("0.0.0.0:1025", "{server: mail.example.com, port: 1025}"),
        ("mail:1025", "{relays: 'smtp://user:secret@mail:1025, smtp://other:25'}"),
        ("127.0.0.1:0", "{}"),
    ],
)
def test_a_mailbox_whose_address_a_stage_has_is_fine(listen: str, settings: str) -> None:
    problems = problems_of(with_mailbox(listen, settings).replace("¦", ""))
    assert [problem.message for problem in problems if "mailbox" in problem.message] == []
