"""Whatever comes on the intake's socket: each whole request gets one answer, and no input ends a process,
raises a traceback into the log, or leaves more in memory than the limits allow. Tests ask a whole program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.intake.connections import opened, running, until_closed
from tests.system.program import Program

FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
MOST_GROWTH = 64 << 20
"""Bytes of memory that all of a test's requests together may leave behind."""


@dataclass(frozen=True)
class Reply:
    """One answer, as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Waits 200 ms for what a client has begun to send."""
    with running(tmp_path_factory.mktemp("fuzzed"), "request_timeout: 200ms", "max_body: 4KiB") as program:
        yield program


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Waits longer than any machine takes to send and read a whole request."""
    with running(tmp_path_factory.mktemp("patient"), "request_timeout: 1m", "max_body: 4KiB") as program:
        yield program


@pytest.fixture(autouse=True)
def unharmed(request: pytest.FixtureRequest) -> Iterator[None]:
    intake: Program = request.getfixturevalue("patient" if "patient" in request.fixturenames else "intake")
    before = memory(intake.pid)
    yield
    log, after = intake.log, memory(intake.pid)
    assert [word for word in ("Traceback", "internal error", "panicked", "never retrieved") if word in log] == []
    assert after.keys() == before.keys()  # none has been restarted
    assert sum(after.values()) - sum(before.values()) < MOST_GROWTH
    assert intake.answers("/health/live") == intake.answers("/health/ready") == 200
    assert intake.post({"n": 1}).status == 202


def memory(pid: int) -> dict[int, int]:
    """Each of a program's processes, with its resident bytes; nothing where there is no /proc."""
    tasks = Path(f"/proc/{pid}")
    if not tasks.is_dir():
        return {}
    found = re.search(r"VmRSS:\s+(\d+) kB", (tasks / "status").read_text())
    children = (tasks / "task" / str(pid) / "children").read_text().split()
    below = [memory(int(child)) for child in children]
    return {pid: int(found[1]) * 1024 if found else 0} | {key: size for one in below for key, size in one.items()}


def talk(intake: Program, sent: bytes) -> list[Reply]:
    """The answers to `sent`, until the intake closes; all of them well formed."""
    received = b""
    with opened(intake) as connection:
        try:
            connection.sendall(sent)
            received = until_closed(connection)
        except ConnectionError:  # it was closed before it had read all
            return []
    found = []
    while received:
        reply, received = first_of(received, sent)
        if reply.status == 100:  # it asked for it, and the answer is still to come
            continue
        assert 200 <= reply.status < 500, (sent, reply)
        if reply.headers.get("content-type", "").endswith("json"):
            json.loads(reply.body)
        found.append(reply)
    return found


def first_of(received: bytes, sent: bytes) -> tuple[Reply, bytes]:
    """The first answer, and what follows it."""
    head, gap, rest = received.partition(b"\r\n\r\n")
    line, *lines = head.decode("ascii").split("\r\n")
    assert gap, (sent, received)
    assert re.fullmatch(r"HTTP/1\.[01] [1-5][0-9]{2} [ -~]*", line), (sent, received)
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    status = int(line.split()[1])
    length = 0 if status == 100 or sent.startswith(b"HEAD ") else int(headers["content-length"])
    assert len(rest) >= length, (sent, received)
    return Reply(status, headers, rest[:length]), rest[length:]


# -- Whole requests ---------------------------------------------------------------


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def framed(body: bytes, size: int) -> bytes:
    """The rest of a head, and a body in chunks of `size`; 0: with its length."""
    if size:
        return b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, size)
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["n", "do", "é", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)
ODD_JSON = st.sampled_from(
    [
        b'{"n": 1, "n": 2}',
        b'{"n": 1e999}',
        b'{"n": NaN}',
        b'{"n": -0.0}',
        b'{"n": %s}' % (b"9" * 3000),
        b'{"n": "\\ud800"}',
        b'{"n": "\xff"}',
        b'\xef\xbb\xbf{"n": 1}',
        b'{"n": 1}{"n": 2}',
        b'{"n": 1}\x00',
        b"[" * 4000,
        b"[" * 1000 + b"]" * 1000,
        b'{"n":' * 700 + b"1" + b"}" * 700,
        b'"' + b"\\u0000" * 600 + b'"',
        b" " * 5000,
        b"",
    ]
)
BODIES = JSON.map(lambda value: json.dumps(value).encode()) | ODD_JSON | st.binary(max_size=300)
ROUTE = "/work"
PATHS = [*[ROUTE] * 3, f"{ROUTE}?n=1", f"{ROUTE}/", f"/{ROUTE}", "/%77ork", "/health/live", "/nowhere", "/%ff%00"]
LINES = [
    b"Content-Type: application/json",
    b"Content-Type: application/json",
    b"Content-Type: application/json; charset=\xff",
    b"Content-Type: \xe9",
    b"Content-Encoding: gzip",
    b"X-Forwarded-For: " + b"1.1.1.1, " * 200,
    b"Cookie: " + b"a=b; " * 300,
    b"Connection: Content-Length",
    b"Idempotency-Key: \x80\xff",
    b"A: b",
]
METHODS = st.sampled_from(["POST", "POST", "POST", "PUT", "GET", "DELETE", "OPTIONS", "BREW", "x"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A whole request whose connection may stay open."""
    lines = [f"{draw(METHODS)} {draw(st.sampled_from(PATHS))} HTTP/1.1".encode(), b"Host: here"]
    lines += draw(st.lists(st.sampled_from(LINES), max_size=3))
    return b"\r\n".join(lines) + b"\r\n" + framed(draw(BODIES), draw(st.sampled_from([0, 0, 1, 7, 1000])))


LAST = b"GET /health/live HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


@FUZZ
@given(st.lists(requests(), min_size=1, max_size=4))
def test_each_whole_request_gets_one_answer_in_its_turn(patient: Program, several: list[bytes]) -> None:
    replies = talk(patient, b"".join([*several, LAST]))
    assert [reply.status for reply in replies].count(408) == 0, several
    if replies[-1].status != 413:  # which may end the connection
        assert len(replies) == len(several) + 1, several
        assert json.loads(replies[-1].body) == {"status": "live"}, several


# -- Anything else ----------------------------------------------------------------

FRAMINGS = [
    b"Content-Length: -1",
    b"Content-Length: +5",
    b"Content-Length: 0x10",
    b"Content-Length: \xc2\xb2",
    b"Content-Length: 5, 5",
    b"Content-Length: 18446744073709551616",
    b"Content-Length: " + b"9" * 30,
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Content-Length: 1000",
    b"Content-Length: 1000000000",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Expect: 100-continue\r\nContent-Length: 5",
    b"Expect: 200-ok\r\nContent-Length: 5",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    + b"A" * 22
    + b"==",
    b" folded: 1",
    b"NoColon",
    b": empty",
    b"X: a\x00b",
    b"X" * 9000 + b": 1",
    b"X: " + b"a" * 20_000,
    b"A: b\r\n" * 300 + b"A: b",
]
ODD_CHUNKS = [
    b"5;x=1\r\n[1,2]\r\n0\r\n\r\n",
    b"-1\r\n",
    b"fffffffffffffffff\r\n",
    b"5\r\n[1",
    b"0\r\nX: y\r\n\r\n",
    b"z\r\n",
]


@st.composite
def odd(draw: st.DrawFn) -> bytes:
    """A request whose head or body is wrong, or that breaks off."""
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b""]))
    target = draw(st.sampled_from([b"/work", b"*", b"", b"http://x/work", b"/\xff", b"/" + b"a" * 20_000, b"/w k"]))
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"]))
    lines = [b"POST " + target + b" " + version, *draw(st.lists(st.sampled_from(LINES + FRAMINGS), max_size=4))]
    whole = end.join(lines) + end + end + draw(BODIES | st.sampled_from(ODD_CHUNKS))
    return whole[: draw(st.integers(1, len(whole)))] if draw(st.booleans()) else whole


@FUZZ
@given(requests().flatmap(lambda whole: st.integers(1, len(whole) - 1).map(lambda kept: whole[:kept])))
def test_half_a_request_gets_one_answer_or_none(intake: Program, half: bytes) -> None:
    assert len(talk(intake, half)) <= 1


@FUZZ
@given(odd() | st.binary(max_size=600))
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(60))
@example(b"\x16\x03\x01\x02\x00\x01\x00" + bytes(100))
@example(b"\r\n" * 2000)
@example(b"GET " + b"a" * 70_000)
def test_what_is_no_request_gets_well_formed_answers_or_none(intake: Program, sent: bytes) -> None:
    talk(intake, sent)


def test_a_client_that_hangs_up_at_any_byte_leaves_nothing_behind(intake: Program) -> None:
    whole = LINES[0].join([b"POST /work HTTP/1.1\r\nHost: here\r\n", b"\r\n" + framed(b'{"n": 1}', 3)])
    for kept in range(len(whole)):
        opened(intake, whole[:kept]).close()
