from __future__ import annotations

import mailbox
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import StartError
from runner.mailbox import (
    MailboxServer,
    NoMailError,
    keep,
    list_mails,
    no_mail,
    read_mail,
    render_list,
    render_mail,
)
from runner.pipeline import Address

ANYWHERE = Address("127.0.0.1", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "mailbox"


@pytest.fixture
def server(folder: Path) -> Iterator[MailboxServer]:
    with MailboxServer(ANYWHERE, folder) as server:
        yield server


def mail(subject: str = "Hello", *, to: str = "payer@example.com", html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{''.join(filter(str.isalnum, subject.split()[-1]))}.paid@example.com>"
    message.set_content("Dear payer,\n\n.\nGrüße\n")
    if html:
        message.add_alternative(html, subtype="html")
    return message


def send(server: MailboxServer, *messages: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, "test") as client:
        for message in messages:
            client.send_message(message)


# -- Keeping ------------------------------------------------------------------------------


def test_a_mail_that_was_taken_can_be_read(server: MailboxServer, folder: Path) -> None:
    send(server, mail("Payment received", html="<p>Grüße</p>"))

    (summary,) = list_mails(folder)
    assert (summary.number, summary.to, summary.subject) == (1, "payer@example.com", "Payment received")
    read = read_mail(folder)
    assert read.text == "Dear payer,\n\n.\nGrüße\n"
    assert read.html == "<p>Grüße</p>\n"
    assert read.header("from") == "Shop <shop@example.com>"


def test_the_envelope_is_kept_above_the_mail(server: MailboxServer, folder: Path) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, "test") as client:
        client.send_message(mail(), "bounces@example.com", ["a@example.com", "b@example.com"])

    kept = list_mails(folder)[0].file.read_text().splitlines()
    assert kept[:3] == [
        "Return-Path: <bounces@example.com>",
        "Delivered-To: a@example.com",
        "Delivered-To: b@example.com",
    ]


def test_other_programs_can_read_the_folder_as_a_maildir(server: MailboxServer, folder: Path) -> None:
    send(server, mail("One"), mail("Two"))

    assert sorted(str(message["Subject"]) for message in mailbox.Maildir(folder, create=False)) == ["One", "Two"]


def test_names_and_addresses_in_other_alphabets_are_taken(server: MailboxServer, folder: Path) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, "test") as client:
        client.send_message(mail("Käse 東京", to="jürgen@bücher.example"))

    (summary,) = list_mails(folder)
    assert (summary.to, summary.subject) == ("jürgen@bücher.example", "Käse 東京")


def test_many_connections_at_once_lose_nothing(server: MailboxServer, folder: Path) -> None:
    together = threading.Barrier(20)

    def client(number: int) -> None:
        together.wait()
        send(server, *(mail(f"Mail {number}-{each}") for each in range(5)))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({summary.subject for summary in list_mails(folder)}) == 100


def test_a_mail_that_is_too_large_is_refused_and_the_next_one_taken(folder: Path) -> None:
    with MailboxServer(ANYWHERE, folder, most_bytes=5000) as server:
        large = mail("Large")
        large.set_content("x\n" * 5000)
        with pytest.raises(smtplib.SMTPSenderRefused, match="552"):
            send(server, large)
        send(server, mail("Small"))

    assert [summary.subject for summary in list_mails(folder)] == ["Small"]


def test_a_mail_that_can_not_be_written_is_not_taken(server: MailboxServer, folder: Path) -> None:
    (folder / "tmp").rmdir()
    (folder / "tmp").write_text("no folder any more")

    with pytest.raises(smtplib.SMTPDataError, match="452"):
        send(server, mail())


def test_half_a_mail_is_not_kept(server: MailboxServer, folder: Path) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        for command in ("EHLO x", "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.com>", "DATA"):
            client.sendall(f"{command}\r\n".encode())
            client.recv(1024)
        client.sendall(b"Subject: Half\r\n\r\nThe first of two li")
    send(server, mail("Whole"))

    assert [summary.subject for summary in list_mails(folder)] == ["Whole"]


def test_stopping_closes_the_connections_that_are_kept_open(folder: Path) -> None:
    server = MailboxServer(ANYWHERE, folder)
    server.start()
    with smtplib.SMTP("127.0.0.1", server.port, "test", timeout=10) as client:
        client.send_message(mail())
        server.stop()
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    server.stop()

    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP("127.0.0.1", server.port, "test")


def test_it_can_be_started_again_on_the_port_it_has_left(folder: Path) -> None:
    with MailboxServer(ANYWHERE, folder) as first:
        send(first, mail("First"))
    with MailboxServer(Address("127.0.0.1", first.port), folder) as second:
        send(second, mail("Second"))

    assert [summary.subject for summary in list_mails(folder)] == ["Second", "First"]


def test_it_serves_in_a_process_of_its_own(folder: Path) -> None:
    program = (
        "import signal, sys, threading; from pathlib import Path\n"
        "from runner.pipeline import Address; from runner.mailbox import MailboxServer\n"
        "stop = threading.Event(); signal.signal(signal.SIGTERM, lambda *_: stop.set())\n"
        f"with MailboxServer(Address('127.0.0.1', 0), Path({str(folder)!r})) as server:\n"
        "    print(server.port, flush=True); stop.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with smtplib.SMTP("127.0.0.1", int(process.stdout.readline()), "test") as client:
            client.send_message(mail("From afar"))
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0

    assert [summary.subject for summary in list_mails(folder)] == ["From afar"]


def test_a_port_that_is_taken_is_named_with_what_to_do(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as raised:
            MailboxServer(Address("127.0.0.1", port), folder).start()

    assert str(raised.value) == (
        f"mailbox: port {port} of 127.0.0.1 is taken by another program. "
        "Set another mailbox.listen, and let the stages send their mail there"
    )


def test_an_address_of_another_machine_is_refused(folder: Path) -> None:
    with pytest.raises(
        StartError, match=r"mailbox: can't listen on 192\.0\.2\.1:1025: .*\. Set another mailbox\.listen"
    ):
        MailboxServer(Address("192.0.2.1", 1025), folder).start()


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StartError, match=r"mailbox: .*/file/mailbox can't be made: .*; set another mailbox\.folder"):
        MailboxServer(ANYWHERE, tmp_path / "file" / "mailbox").start()


def test_ipv6_is_listened_on(folder: Path) -> None:
    try:
        server = MailboxServer(Address("::1", 0), folder)
        server.start()
    except StartError:
        pytest.skip("left out: this machine has no IPv6")
    try:
        with smtplib.SMTP("::1", server.port, "test") as client:
            client.send_message(mail())
    finally:
        server.stop()

    assert len(list_mails(folder)) == 1


# -- Reading ----------------------------------------------------------------------------------


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


# -- Showing --------------------------------------------------------------------------------------


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


def test_nothing_is_left_in_the_folder_for_mails_that_are_being_written(server: MailboxServer, folder: Path) -> None:
    send(server, mail())

    assert not list((folder / "tmp").iterdir())


def test_a_mailbox_that_is_emptied_by_removing_it_goes_on(folder: Path) -> None:
    with MailboxServer(Address("127.0.0.1", 0), folder):
        shutil.rmtree(folder)
        keep(folder, b"Subject: second\r\n\r\n", sender="a@example.com", recipients=["b@example.com"])
    assert [mail.subject for mail in list_mails(folder)] == ["second"]


def test_a_folder_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "new").symlink_to(tmp_path / "new")
    with pytest.raises(NoMailError, match=r"new can't be read: Too many levels of symbolic links"):
        list_mails(tmp_path)
