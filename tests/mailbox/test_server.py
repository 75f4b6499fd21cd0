"""The development mailbox's server, by real SMTP."""

from __future__ import annotations

import mailbox
import signal
import smtplib
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runner.errors import StartError
from runner.mailbox import server as server_module
from runner.mailbox.maildir import list_mails, read_mail
from runner.mailbox.server import MailboxServer
from runner.pipeline import Address
from tests.mails import ANYWHERE, mail, send
from tests.waiting import wait_until


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


@pytest.mark.parametrize("end", ["\n", "\r", "\r\r", "\n\n", "\r\n\n", "\n\r"])
def test_a_line_end_in_a_header_brings_in_no_other(server: MailboxServer, folder: Path, end: str) -> None:
    lines = ["Subject: Hello", f"Message-ID: <a{end}Bcc: evil@example.com>", "To: payer@example.com", "", "Text", ""]
    converse(server, "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.com>", "DATA", "\r\n".join(lines) + ".")

    headers = {name.lower() for name, _ in read_mail(folder).headers}
    assert "message-id" in headers
    assert end == "\r\n\n" or "to" in headers
    assert "bcc" not in headers


@pytest.mark.parametrize("command", ["MAIL FROM:<{}@example.com>", 'MAIL FROM:<"{}"@example.com>'])
@pytest.mark.parametrize("odd", ["a\rBcc: evil", "a\x0bBcc: evil", "a\u2028Bcc: evil", "a\x85Bcc: evil"])
def test_an_envelope_brings_in_no_header(server: MailboxServer, folder: Path, command: str, odd: str) -> None:
    converse(
        server,
        command.format(odd),
        "MAIL FROM:<a@example.com>",
        command.format(odd).replace("MAIL FROM", "RCPT TO"),
        "RCPT TO:<b@example.com>",
        "DATA",
        "Subject: Hello\r\n\r\nText\r\n.",
    )

    assert {name for name, _ in read_mail(folder).headers} == {"Return-Path", "Delivered-To", "Subject"}


def test_a_mail_whose_lines_end_in_lf_only_keeps_its_headers(server: MailboxServer, folder: Path) -> None:
    """As smtplib sends what it is given as bytes."""
    with smtplib.SMTP("127.0.0.1", server.port, "test") as client:
        client.sendmail("a@example.com", ["b@example.com"], b"Subject: Bytes\nTo: b@example.com\n\nText\n\nMore\n")

    read = read_mail(folder)
    assert (read.header("Subject"), read.header("To")) == ("Bytes", "b@example.com")
    assert read.text is not None
    assert read.text.startswith("Text\n\nMore\n")


def converse(server: MailboxServer, *commands: str) -> None:
    """Say these lines as they are, each after the answer to the one before."""
    with smtplib.SMTP("127.0.0.1", server.port, "test") as client:
        for command in ("EHLO x", *commands):
            client.send(command.encode() + b"\r\n")
            client.getreply()


def greeting(server: MailboxServer) -> int:
    with smtplib.SMTP() as client:
        return client.connect("127.0.0.1", server.port)[0]


def test_a_client_is_refused_while_all_connections_are_taken_and_let_in_when_one_is_free(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)
    with MailboxServer(ANYWHERE, folder) as server:
        clients = [smtplib.SMTP("127.0.0.1", server.port, "test") for _ in range(2)]
        for _ in range(20):
            with pytest.raises(smtplib.SMTPConnectError, match="421"):
                smtplib.SMTP("127.0.0.1", server.port, "test")
        for client in clients:
            client.quit()
        wait_until(lambda: greeting(server) == 220)

    assert len([record for record in caplog.records if "is the limit" in record.message]) == 1


WITHOUT_DESCRIPTORS = """
import logging, resource, signal, sys, threading; from pathlib import Path
from runner.pipeline import Address; from runner.mailbox.server import MailboxServer
logging.basicConfig(level=logging.INFO)
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
stop = threading.Event(); signal.signal(signal.SIGTERM, lambda *_: stop.set())
with MailboxServer(Address('127.0.0.1', 0), Path(sys.argv[1])) as server:
    print(server.port, flush=True); stop.wait()
"""


def test_without_descriptors_it_says_so_once_in_a_while_and_goes_on_when_there_are_some(folder: Path) -> None:
    program = [sys.executable, "-c", WITHOUT_DESCRIPTORS, str(folder)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        assert process.stderr is not None
        log = process.stderr.readline()
        for client in clients:
            client.close()
        with smtplib.SMTP("127.0.0.1", port, "test") as sender:
            sender.send_message(mail("Afterwards"))
        process.send_signal(signal.SIGTERM)
        log += process.communicate(timeout=30)[1]

    assert [summary.subject for summary in list_mails(folder)] == ["Afterwards"]
    assert "can't take connections: Too many open files" in log
    assert "Traceback" not in log
    assert len(log.splitlines()) <= 5


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
        "from runner.pipeline import Address; from runner.mailbox.server import MailboxServer\n"
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
        f"can't listen on 127.0.0.1:{port}: address already in use; stop the other program, or listen elsewhere "
        "(mailbox: listen in the pipeline)"
    )


def test_an_address_of_another_machine_is_refused(folder: Path) -> None:
    with pytest.raises(StartError, match=r"can't listen on 192\.0\.2\.1:1025: .* \(mailbox: listen in the pipeline\)"):
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


def test_nothing_is_left_in_the_folder_for_mails_that_are_being_written(server: MailboxServer, folder: Path) -> None:
    send(server, mail())

    assert not list((folder / "tmp").iterdir())
