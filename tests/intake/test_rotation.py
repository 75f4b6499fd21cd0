"""New certificates: they are taken over while requests go on, and broken ones change nothing."""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import signal
import socket
import ssl
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from runner.intake.lifetime import LEAVE
from runner.intake.rotation import Rotation
from tests.system.program import Program
from tests.test_certificates import DAY, made
from tests.waiting import TIMEOUT, wait_until

PIPELINE = """
name: test
broker: embedded:broker.db
http:
  listen: 127.0.0.1:PORT
  tls: {certificate: cert.pem, key: key.pem}
  max_connections: MOST
  request_timeout: 3s
  routes: {POST /work: {publish: work}}
queues: {work: {schema: body.json}}
"""


def connected(program: Program) -> http.client.HTTPSConnection:
    """Trusts the certificate that lies in the program's folder by now."""
    context = ssl.create_default_context(cafile=program.folder / "cert.pem")
    connection = http.client.HTTPSConnection("localhost", program.port, context=context, timeout=TIMEOUT)
    connection.connect()
    return connection


def posted(connection: http.client.HTTPSConnection) -> int:
    """The status of the answer; then it closes."""
    with closing(connection):
        connection.request("POST", "/work", b'{"n": 1}', {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status


def serial(program: Program) -> bytes:
    """What tells apart the certificates that it has shown."""
    context = ssl._create_unverified_context()
    with (
        socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT) as plain,
        context.wrap_socket(plain) as connection,
    ):
        return connection.getpeercert(binary_form=True) or b""


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pending(pid: int) -> set[int]:
    """The signals that a process has got and not taken yet."""
    status = Path(f"/proc/{pid}/status").read_text()
    [mask] = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("ShdPnd:")]
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made(tmp_path)
    return Program(tmp_path, "embedded:broker.db", PIPELINE.replace("MOST", "1000"))


def test_certificates_are_exchanged_under_load_and_no_request_is_refused_or_broken(program: Program) -> None:
    over, statuses, faults = threading.Event(), list[int](), list[BaseException]()
    context = ssl._create_unverified_context()

    def ask() -> None:
        while not over.is_set():
            try:
                link = http.client.HTTPSConnection("127.0.0.1", program.port, context=context, timeout=TIMEOUT)
                statuses.append(posted(link))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                faults.append(error)

    program.start()
    try:
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        for turn in (1, 2):
            shown = serial(program)
            made(program.folder)
            wait_until(lambda: program.log.count("the new certificate is in use") == turn)  # noqa: B023
            assert serial(program) != shown
            enough = len(statuses) + 20
            wait_until(lambda: len(statuses) > enough)  # noqa: B023
        over.set()
        for client in clients:
            client.join(TIMEOUT)
        assert posted(connected(program)) == 202
        assert program.depths()["work"].ready == len(statuses) + 1
        assert program.log.count("is up after") == 1
    finally:
        over.set()
        assert program.stop() == 0
    assert faults == []
    assert set(statuses) == {202}


def test_the_new_certificate_is_in_use_when_that_is_said(program: Program) -> None:
    """A process that is stopped can't leave its socket, though it is told to."""
    program.start()
    [intake] = children_of(program.pid)
    [old] = children_of(intake)
    try:
        os.kill(old, signal.SIGSTOP)
        made(program.folder)
        wait_until(lambda: LEAVE in pending(old))
        assert "in use" not in program.log
        os.kill(old, signal.SIGCONT)
        wait_until(lambda: "the new certificate is in use" in program.log)
        assert posted(connected(program)) == 202
    finally:
        with suppress(ProcessLookupError):
            os.kill(old, signal.SIGCONT)
        assert program.stop() == 0


def test_a_request_that_has_begun_when_the_certificate_is_exchanged_is_answered(program: Program) -> None:
    program.start()
    try:
        with closing(connected(program)) as connection:
            connection.putrequest("POST", "/work")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", "8")
            connection.endheaders(b'{"n"')
            made(program.folder)
            wait_until(lambda: "the new certificate is in use" in program.log)
            connection.send(b": 1}")
            assert connection.getresponse().status == 202
    finally:
        assert program.stop() == 0


def test_new_files_that_are_of_no_use_change_nothing_and_are_named_once(program: Program) -> None:
    program.start()
    try:
        shown = serial(program)
        (program.folder / "key.pem").write_text("nonsense")
        wait_until(lambda: "the new files are of no use" in program.log)
        assert serial(program) == shown
        made(program.folder)
        wait_until(lambda: "the new certificate is in use" in program.log)
        assert posted(connected(program)) == 202
    finally:
        program.stop()
    assert program.log.count("the new files are of no use, and the certificate stays the old one: key.pem has no") == 1


def test_a_file_that_is_wrong_from_the_start_is_one_clear_error(program: Program) -> None:
    made(program.folder, begins=-3 * DAY, ends=-DAY)
    program.start(up=False)
    assert program.end() == 1
    assert "pipeline.yaml:6:22: http: tls: cert.pem has expired on" in program.log


def test_beyond_the_limit_of_connections_the_answers_speak_tls_too(tmp_path: Path) -> None:
    made(tmp_path)
    program = Program(tmp_path, "embedded:broker.db", PIPELINE.replace("MOST", "10"))
    program.start()
    try:
        with ExitStack() as idle:
            for _ in range(10):
                idle.callback(connected(program).close)
            with closing(connected(program)) as health:
                health.request("GET", "/health/live")
                assert health.getresponse().read() == b'{"status":"live"}\n'
            wait_until(lambda: posted(connected(program)) == 503)
            with socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert b"HTTP" not in plain.recv(100)
    finally:
        program.stop()


def test_however_many_begin_no_handshake_a_request_is_answered(program: Program) -> None:
    program.start()
    try:
        with ExitStack() as silent:
            for _ in range(300):
                silent.enter_context(socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT))
            assert posted(connected(program)) == 202
            one = silent.enter_context(socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT))
            assert one.recv(1) == b"", "and they are not waited for"
    finally:
        program.stop()


def test_a_symbolic_link_that_is_turned_is_followed(tmp_path: Path) -> None:
    """As by certbot and Kubernetes."""
    linked(tmp_path, "one")
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).symlink_to(Path("now") / name)
    program = Program(tmp_path, "embedded:broker.db", PIPELINE.replace("MOST", "1000"))
    program.start()
    try:
        shown = serial(program)
        linked(tmp_path, "two")
        shutil.rmtree(tmp_path / "one")
        wait_until(lambda: "the new certificate is in use" in program.log)
        wait_until(lambda: serial(program) != shown)
        assert posted(connected(program)) == 202
    finally:
        program.stop()


def linked(folder: Path, name: str) -> None:
    """Make a certificate in another folder, and let the link `now` lead there."""
    (folder / name).mkdir()
    made(folder / name)
    (folder / "next").symlink_to(name)
    (folder / "next").rename(folder / "now")


def test_files_in_the_middle_of_an_exchange_are_not_judged(tmp_path: Path) -> None:
    files, taken = made(tmp_path), Mock()
    rotation = Rotation(files, "http: tls", logging.getLogger("test"))
    assert not rotation.due(taken)
    made(tmp_path)
    assert not rotation.due(taken), "they have just changed"
    assert rotation.due(taken)
    assert not rotation.due(taken)
    taken.assert_called_once_with()


def test_files_that_are_exchanged_while_they_are_read_are_taken_later(tmp_path: Path) -> None:
    taken = Mock(side_effect=[FileNotFoundError, None])
    rotation = Rotation(made(tmp_path), "http: tls", logging.getLogger("test"))
    made(tmp_path)
    assert [rotation.due(taken) for _ in range(4)] == [False, False, True, False]
