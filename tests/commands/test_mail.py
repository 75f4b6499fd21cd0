"""What `runner mail` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.commands.mail import render_list, render_mail
from runner.mailbox.server import MailboxServer
from tests.commands.prompt import run
from tests.mails import mail, send


def test_the_list_shows_number_time_recipient_and_subject(server: MailboxServer, folder: Path) -> None:
    send(server, mail("Payment [bold]received"), mail("Payment declined", to="other@example.com"))

    lines = render_list(folder).splitlines()
    first, second = lines[-2:]
    assert first.split()[0] == "1"
    assert first.split()[3:] == ["other@example.com", "Payment", "declined"]
    assert second.split()[3:] == ["payer@example.com", "Payment", "[bold]received"]


def test_the_list_says_how_many_mails_it_leaves_out(server: MailboxServer, folder: Path) -> None:
    send(server, *(mail(f"Number {number}") for number in range(5)))

    lines = render_list(folder, most=2).splitlines()
    assert lines[-1] == f"… and 3 older ones in {folder}"
    assert "Number 3" in lines[-2]


def test_a_narrow_terminal_shortens_a_line_of_the_list_and_breaks_none(
    server: MailboxServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(server, mail("A subject that goes on and on and on", to="somebody-with-a-long-name@example.com"))

    monkeypatch.setenv("COLUMNS", "60")
    *_, line = lines = render_list(folder).splitlines()
    assert len(lines) == 3
    assert line.split()[0] == "1"
    assert "somebody" in line
    assert "A subj" in line


def test_a_mail_shows_its_headers_its_text_and_that_there_is_html(server: MailboxServer, folder: Path) -> None:
    send(server, mail("Payment received", html="<p>hidden</p>"))

    text = render_mail(folder)
    for line in ("Subject     Payment received", "From        Shop <shop@example.com>", "Parts       text, HTML"):
        assert line in text
    assert "Dear payer,\n\n.\nGrüße" in text
    assert "hidden" not in text


def test_a_mail_can_not_make_the_terminal_obey(server: MailboxServer, folder: Path) -> None:
    message = mail("Red")
    message.set_content("\x1b[31mred\x1b]0;title\x07\n", cte="8bit")
    send(server, message)

    text = render_mail(folder)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "red" in text


def test_mail_says_that_an_empty_mailbox_is_empty(file: Path) -> None:
    result = run("mail", "-p", file)
    assert result.exit_code == 0
    assert "mailbox" in result.output


def test_mail_without_a_mailbox_section_says_so(file: Path) -> None:
    file.write_text(file.read_text().replace('mailbox: {listen: "127.0.0.1:0", folder: mailbox}\n', ""))
    result = run("mail", "-p", file)
    assert result.exit_code == 1
    assert "has no mailbox section" in result.stderr
