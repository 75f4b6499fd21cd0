"""One conversation with the development mailbox, whatever its client says."""

from __future__ import annotations

import io
import logging
import socket
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.mailbox.maildir import list_mails
from runner.mailbox.server import MailboxServer
from tests.mails import ANYWHERE, mail, send


def test_a_line_without_an_end_fills_no_memory(folder: Path) -> None:
    with (
        MailboxServer(ANYWHERE, folder, most_bytes=5000) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n")
        with pytest.raises(ConnectionError):
            client.sendall(b"x" * 100_000_000)


_COMMAND = st.sampled_from([b"EHLO x", b"MAIL FROM:", b"RCPT TO:", b"DATA", b"AUTH ", b"VRFY ", b"HELP ", b"\xff", b""])
_ARGUMENT = st.binary(max_size=30) | st.sampled_from([b"<>", b"<a@b>", b"<@:a>", b"<a@[>", b'<"@b>', b" SIZE=x", b"."])


@settings(max_examples=50)
@given(st.lists(st.tuples(_COMMAND, _ARGUMENT), max_size=6))
@example([(b"EHLO x", b""), (b"MAIL FROM:", b"a@"), (b"VRFY", b' \r"')])
def test_whatever_a_client_says_no_traceback_is_logged_and_the_next_one_is_served(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[bytes, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    try:
        with MailboxServer(ANYWHERE, folder) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"".join(command + argument + b"\r\n" for command, argument in lines))
            send(server, mail("Next"))
    finally:
        logging.getLogger().removeHandler(handler)

    assert "Next" in [summary.subject for summary in list_mails(folder)]
    assert "Traceback" not in logged.getvalue()
