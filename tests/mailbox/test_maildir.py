"""Mails in a folder: stored whole, found, and read however odd they are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.commands.mail import render_list, render_mail
from runner.mailbox.maildir import NoMailError, keep, list_mails, no_mail, read_mail
from runner.mailbox.server import MailboxServer
from runner.pipeline import Address
from tests.mails import ANYWHERE, mail, send


def test_the_newest_mail_comes_first_and_only_so_many_are_listed(server: MailboxServer, folder: Path) -> None:
    send(server, *(mail(f"Number {number}") for number in range(12)))

    assert [summary.subject for summary in list_mails(folder, most=3)] == ["Number 11", "Number 10", "Number 9"]
    assert [summary.number for summary in list_mails(folder)] == list(range(1, 13))


def test_a_mail_is_found_by_its_number_or_by_the_id_of_its_payment(server: MailboxServer, folder: Path) -> None:
    send(server, mail("About abcd"), mail("About ef01"))

    assert read_mail(folder, 2).header("Subject") == "About abcd"
    assert read_mail(folder, "1").header("Subject") == "About ef01"
    assert read_mail(folder, "abcd").header("Subject") == "About abcd"


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        ("0", "there is no mail 0: .* has 1, and 1 is the newest"),
        ("2", "there is no mail 2: .* has 1"),
        ("9" * 30, "has '9+' in its Message-ID"),
        ("nothing", "has 'nothing' in its Message-ID"),
        ("", "has '' in its Message-ID"),
    ],
)
def test_a_mail_that_is_not_there_is_said_to_be_so(folder: Path, which: str, sentence: str) -> None:
    with MailboxServer(ANYWHERE, folder) as server:
        send(server, mail())

    with pytest.raises(NoMailError, match=sentence):
        read_mail(folder, which)


def test_a_mailbox_that_is_missing_or_empty_gets_a_friendly_sentence(folder: Path) -> None:
    for _ in range(2):
        assert list_mails(folder) == []
        assert render_list(folder) == no_mail(folder)
        with pytest.raises(NoMailError, match=f"no mail in {folder} yet; what is sent to the mailbox"):
            read_mail(folder)
        (folder / "new").mkdir(parents=True, exist_ok=True)


def test_a_mail_that_another_program_has_marked_as_read_is_still_listed(server: MailboxServer, folder: Path) -> None:
    send(server, mail("Old"), mail("New"))
    old = list_mails(folder)[1].file
    old.rename(folder / "cur" / f"{old.name}:2,S")

    assert [summary.subject for summary in list_mails(folder)] == ["New", "Old"]


def test_attachments_are_named(server: MailboxServer, folder: Path) -> None:
    message = mail()
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="receipt.pdf")
    send(server, message)

    assert read_mail(folder).attachments == ("receipt.pdf",)


_ODD = st.binary(max_size=200) | st.lists(
    st.tuples(
        st.sampled_from(["To", "Subject", "Date", "Content-Type", "Message-ID", "From", "Content-Transfer-Encoding"]),
        st.text(max_size=30)
        | st.sampled_from(["text/plain; charset=nowhere", "multipart/mixed", "=?x?q?=?=", "<>", '"']),
    ),
    max_size=5,
).map(lambda lines: "".join(f"{name}: {value}\n" for name, value in lines).encode() + b"\nbody \xff")


@given(_ODD)
def test_no_mail_however_odd_breaks_the_mailbox(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("odd")
    for part in ("tmp", "new"):
        (folder / part).mkdir()
    keep(folder, content, sender="a@example.com", recipients=["b@example.com"])

    text = render_list(folder) + render_mail(folder)
    assert all(character.isprintable() or character == "\n" for character in text)


def test_no_other_user_may_read_a_mail(server: MailboxServer, folder: Path) -> None:
    before = os.umask(0o022)
    shutil.rmtree(folder.parent)
    send(server, mail())
    os.umask(before)
    made = [folder.parent, *folder.parent.rglob("*")]
    assert len(made) == 6
    assert [str(file) for file in made if file.stat().st_mode & 0o077] == []


def test_a_mailbox_that_is_emptied_by_removing_it_goes_on(folder: Path) -> None:
    with MailboxServer(Address("127.0.0.1", 0), folder):
        shutil.rmtree(folder)
        keep(folder, b"Subject: second\r\n\r\n", sender="a@example.com", recipients=["b@example.com"])
    assert [mail.subject for mail in list_mails(folder)] == ["second"]


def test_a_folder_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "new").symlink_to(tmp_path / "new")
    with pytest.raises(NoMailError, match=r"new can't be read: Too many levels of symbolic links"):
        list_mails(tmp_path)
