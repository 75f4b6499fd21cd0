"""`runner send`: what is published, and what it reports about the rest."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import IO

import pytest

from runner.commands.send import BATCH
from tests.brokers.places import EmbeddedPlace
from tests.commands.prompt import lines, run, stored
from tests.pipelines import write
from tests.waiting import wait_until


@pytest.mark.parametrize("target", ["payments", "POST /pay", "/pay"])
def test_send_publishes_one_document_to_a_queue_or_a_route(file: Path, target: str) -> None:
    document = file.parent / "one.json"
    document.write_text('{\n  "n": 1\n}\n')
    result = run("send", "-p", file, target, document)
    assert (result.exit_code, result.stdout) == (0, f"1 message confirmed on {target}\n")
    assert stored(file, "payments") == [{"n": 1}]


def test_send_publishes_json_lines_and_tells_the_bad_ones_by_number(file: Path) -> None:
    text = b'{"n": 1}\n{"n": "x"}\n\nnonsense\n{"n": 2}\n{}\n'
    result = run("send", "-p", file, "payments", stdin=text)
    assert (result.exit_code, result.stdout) == (1, "2 messages confirmed on payments, 3 not sent\n")
    assert lines(result.stderr) == [
        "line 2: /n must be an integer",
        "line 4: not JSON: invalid literal, expected 'null': line 1 column 1 (char 0)",
        "line 6: /n is required",
    ]
    assert stored(file, "payments") == [{"n": 1}, {"n": 2}]


def test_send_tells_what_a_full_queue_refuses(file: Path) -> None:
    result = run("send", "-p", file, "payments", stdin=b"".join(b'{"n": %d}\n' % n for n in range(5)))
    assert (result.exit_code, result.stdout) == (1, "3 messages confirmed on payments, 2 not sent\n")
    assert lines(result.stderr)[0].startswith("line 4: payments refuses it: the queue is full")
    assert len(stored(file, "payments")) == 3


def test_send_takes_any_number_of_lines(file: Path) -> None:
    result = run("send", "-p", file, "free", stdin=b"".join(b'{"n": %d}\n' % n for n in range(2345)))
    assert result.stdout == "2,345 messages confirmed on free\n"
    assert stored(file, "free") == [{"n": n} for n in range(2345)]


def unread(pipe: IO[str]) -> int:
    """Bytes that nobody has taken out of it."""
    found = fcntl.ioctl(pipe, termios.FIONREAD, b"    ")
    return int.from_bytes(found, sys.byteorder)


def test_whoever_interrupts_it_is_told_how_far_it_came(file: Path) -> None:
    run("send", "-p", file, "free", stdin=b"{}")
    command = [sys.executable, "-m", "runner", "send", "-p", str(file), "free"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as sending:
        pipe = sending.stdin
        assert pipe is not None
        assert sending.stderr is not None
        pipe.write('{"n": 1}\n' * BATCH)
        pipe.flush()
        wait_until(lambda: len(stored(file, "free")) == 1 + BATCH)
        pipe.write("{")
        pipe.flush()
        wait_until(lambda: unread(pipe) == 0)  # it has begun with the next ones
        sending.send_signal(signal.SIGINT)
        assert sending.stderr.read() == "runner: interrupted; 500 confirmed before that, up to line 500\n"
    assert sending.returncode == -signal.SIGINT


def test_send_names_the_nearest_target(file: Path) -> None:
    result = run("send", "-p", file, "payment", stdin=b"{}")
    assert result.exit_code == 1
    assert "there is no queue or route 'payment' (did you mean 'payments'?)" in result.stderr


@pytest.mark.parametrize("nothing", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_input_without_a_document_is_an_error(file: Path, nothing: bytes) -> None:
    result = run("send", "-p", file, "payments", stdin=nothing)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "runner: there is nothing to send: the input has no JSON document\n"


def test_send_takes_a_file_as_windows_writes_it(file: Path) -> None:
    for text in (b'\xef\xbb\xbf{"n": 1}\r\n\xef\xbb\xbf{"n": 2}\r\n', b'\xef\xbb\xbf{\r\n"n": 3\r\n}\r\n'):
        assert run("send", "-p", file, "payments", stdin=text).exit_code == 0
    assert stored(file, "payments") == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.fixture
def carrying(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        """
        broker: BROKER
        http:
          listen: 127.0.0.1:0
          routes:
            POST /pay: {publish: payments, headers: [X-Request-ID, traceparent]}
            POST /refund: {publish: refunds, headers: [X-Shop]}
        queues: {payments: {}, refunds: {}}
        """,
    )


def headers_on(file: Path, queue: str) -> list[dict[str, str]]:
    return [dict(message.headers) for message in EmbeddedPlace(file.parent / "broker.db").contents(queue)]


def test_send_lets_headers_travel_that_the_route_names(carrying: Path) -> None:
    given = ("--header", "x-request-id=a=b", "--header", "traceparent=00-1")
    result = run("send", "-p", carrying, "POST /pay", *given, stdin=b"{}\n{}\n")
    assert result.exit_code == 0, result.stderr
    assert headers_on(carrying, "payments") == [{"http-x-request-id": "a=b", "http-traceparent": "00-1"}] * 2


def test_to_a_queue_the_headers_of_any_route_may_travel(carrying: Path) -> None:
    assert run("send", "-p", carrying, "payments", "--header", "X-Shop=7", stdin=b"{}").exit_code == 0
    assert headers_on(carrying, "payments") == [{"http-x-shop": "7"}]


def test_a_card_number_does_not_travel_in_a_header(carrying: Path) -> None:
    assert run("send", "-p", carrying, "/pay", "--header", "X-Request-ID=4242424242424242", stdin=b"{}").exit_code == 0
    assert "4242424242" not in str(headers_on(carrying, "payments"))


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (["X-Shop=7"], "no header 'X-Shop' travels there; known: X-Request-ID, traceparent"),
        (["X-Reqest-ID=7"], "no header 'X-Reqest-ID' travels there (did you mean 'X-Request-ID'?)"),
        (["Authorization=me"], "no header 'Authorization' travels there"),
        (["X-Request-ID"], "'X-Request-ID' has no '='; write NAME=VALUE"),
        (["X-Request-ID=7", "x-request-id=8"], "the header x-request-id is given twice"),
        (["X-Request-ID=caf\u00e9"], "must be printable ASCII"),
        (["X-Request-ID=" + "a" * 1025], "has 1,025 characters, and may have 1,024"),
    ],
)
def test_a_header_that_can_not_travel_is_refused_before_anything_is_sent(
    carrying: Path, headers: list[str], reason: str
) -> None:
    given = [word for header in headers for word in ("--header", header)]
    result = run("send", "-p", carrying, "POST /pay", *given, stdin=b"{}")
    assert result.exit_code == 2
    assert reason in " ".join(result.stderr.split())
    assert not (carrying.parent / "broker.db").exists()
