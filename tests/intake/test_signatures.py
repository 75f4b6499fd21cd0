"""Signed requests: who has a secret gets in, nobody else, and nothing that is sent is a 500."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.loader import LoadedPipeline
from runner.intake.problems import TurnedAway
from runner.intake.signatures import Signatures
from runner.message import Destination
from runner.pipeline import HttpRoute, Route, Verify
from tests.brokers.places import EmbeddedPlace
from tests.http_client import Answer, Client
from tests.intake.served import assert_problem, stored
from tests.pipelines import loaded

OLD, NEW, OTHER = (f"whsec_{b64encode(bytes([number]) * 24).decode()}" for number in (1, 2, 3))
BODY = b'{"type": "payment.paid"}'
PIPELINE = f"""
    name: test
    broker: BROKER
    LEDGER
    http:
      listen: 127.0.0.1:0
      max_body: 1KiB
      routes:
        POST /events:
          publish: events
          verify: {{secrets: ["{OLD}", "{NEW}"]}}
        POST /others:
          publish: events
          verify: {{secrets: ["{OLD}"], tolerance: 10s}}
        POST /briefly:
          publish: events
          verify: {{secrets: ["{OLD}"]}}
          KEEP
        POST /open: {{publish: events}}
    queues: {{events: {{}}}}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    return loaded(tmp_path, PIPELINE.replace("LEDGER", "").replace("KEEP", ""))


def signature(secret: str, id: str, timestamp: object, body: bytes = BODY) -> str:
    key = b64decode(secret.removeprefix("whsec_"))
    return "v1," + b64encode(hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()).decode()


def signed(*secrets: str, id: str = "msg_1", ago: float = 0.0, body: bytes = BODY) -> dict[str, str]:
    """The headers of a request, with a signature by each of `secrets`."""
    timestamp = str(int(time.time() - ago))
    signatures = " ".join(signature(secret, id, timestamp, body) for secret in secrets)
    names = {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures}
    return {"Content-Type": "application/json", **names}


def post(client: Client, headers: dict[str, str], *, path: str = "/events", body: bytes = BODY) -> Answer:
    return client.request("POST", path, body, headers)


def assert_unsigned(answer: Answer, folder: Path, detail: str = "") -> None:
    assert_problem(answer, 401, detail)
    assert answer.headers["WWW-Authenticate"] == "StandardWebhooks"
    assert stored(folder, "events") == []


def test_the_example_of_the_standard_is_taken() -> None:
    """Of the reference implementations, which have it in their tests."""
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    route = HttpRoute("POST", "/", (Route((Destination("", "a"),)),))
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    assert Signatures(route, Verify((secret,), tolerance=1e12)).verified(headers, body).key == headers["webhook-id"]
    with pytest.raises(TurnedAway):
        Signatures(route, Verify((secret,))).verified(headers, body)


@pytest.mark.parametrize("secrets", [[OLD], [NEW], [OTHER, NEW], [OTHER, OTHER, OLD]])
def test_who_has_one_of_the_secrets_gets_in(client: Client, tmp_path: Path, secrets: list[str]) -> None:
    assert post(client, signed(*secrets)).status == 202
    assert stored(tmp_path, "events") == [json.loads(BODY)]


def test_a_route_without_verify_takes_what_anybody_sends(client: Client) -> None:
    assert client.post("/open", {}).status == 202


def test_signatures_of_other_versions_stand_beside_without_harm(client: Client) -> None:
    headers = signed(NEW)
    headers["webhook-signature"] = f"v1a,abcd v2,e {headers['webhook-signature']} v1,"
    assert post(client, headers).status == 202


@pytest.mark.parametrize("secrets", [[], [OTHER], [OTHER, OTHER]])
def test_who_has_none_of_them_does_not(client: Client, tmp_path: Path, secrets: list[str]) -> None:
    assert_unsigned(post(client, signed(*secrets)), tmp_path, "no signature that is valid for this request")


def test_a_secret_of_another_route_is_none(client: Client, tmp_path: Path) -> None:
    assert_unsigned(post(client, signed(NEW), path="/others"), tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(time.time()) + 2)},
        {"webhook-signature": signature(NEW, "msg_1", 1, BODY)},
    ],
)
def test_nothing_of_a_request_can_be_changed(client: Client, tmp_path: Path, change: dict[str, str]) -> None:
    assert_unsigned(post(client, {**signed(NEW), **change}), tmp_path)


def test_nor_can_its_body(client: Client, tmp_path: Path) -> None:
    assert_unsigned(post(client, signed(NEW), body=BODY + b" "), tmp_path)


def test_what_belongs_to_the_body_can_not_be_shifted_into_the_id(client: Client, tmp_path: Path) -> None:
    now = int(time.time())
    headers = {**signed(NEW), "webhook-signature": signature(NEW, "msg", now, b"%d." % now + BODY)}
    assert_unsigned(post(client, {**headers, "webhook-id": f"msg.{now}", "webhook-timestamp": str(now)}), tmp_path)


@pytest.mark.parametrize(("ago", "path"), [(-250, "/events"), (250, "/events"), (-8, "/others"), (8, "/others")])
def test_a_clock_may_be_a_little_off(client: Client, ago: float, path: str) -> None:
    assert post(client, signed(OLD, ago=ago), path=path).status == 202


@pytest.mark.parametrize(
    ("ago", "path", "tolerance"),
    [(310, "/events", "5m"), (-310, "/events", "5m"), (15, "/others", "10s"), (1e9, "/events", "5m")],
)
def test_a_captured_request_is_of_use_for_a_short_while_only(
    client: Client, tmp_path: Path, ago: float, path: str, tolerance: str
) -> None:
    answer = post(client, signed(OLD, ago=ago), path=path)
    assert_unsigned(answer, tmp_path, f"signed more than {tolerance} from now")


@pytest.mark.parametrize(
    "malformed",
    [
        {"webhook-id": ""},
        {"webhook-id": "x" * 256},
        {"webhook-id": "a b"},
        {"webhook-id": "a.b"},
        {"webhook-id": "\xfcml\xe4ut"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "1.5e9"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "\xb2\xb3"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,===="},
        {"webhook-signature": "v1,\xff\xfe"},
        {"webhook-signature": "v1,not base64 at all!"},
        {"webhook-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1, " * 3000},
        {"webhook-signature": " ,, v1,,"},
    ],
)
def test_what_is_malformed_is_a_401_and_no_error_of_ours(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture, malformed: dict[str, str]
) -> None:
    assert_unsigned(post(client, {**signed(NEW), **malformed}), tmp_path)
    assert "internal error" not in caplog.text


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed(client: Client, tmp_path: Path, missing: str) -> None:
    headers = {name: value for name, value in signed(NEW).items() if name != missing}
    assert_unsigned(post(client, headers), tmp_path, missing)


def test_headers_that_are_no_text_at_all_are_a_401(client: Client, tmp_path: Path) -> None:
    for name in (b"webhook-id", b"webhook-timestamp", b"webhook-signature"):
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            lines = [b"POST /events HTTP/1.1", b"Host: here", b"Content-Type: application/json", b"Content-Length: 2"]
            connection.sendall(b"\r\n".join([*lines, name + b": v1,\x80\xff\xc3(", b"Connection: close", b"", b"{}"]))
            assert connection.recv(12) in (b"HTTP/1.1 401", b"HTTP/1.1 400"), name
    assert stored(tmp_path, "events") == []


def test_a_body_is_checked_only_after_its_signature(client: Client, tmp_path: Path) -> None:
    assert_unsigned(post(client, signed(OTHER, body=b"{"), body=b"{"), tmp_path)
    assert_problem(post(client, signed(NEW, body=b"{"), body=b"{"), 400, "not JSON")


TEXT = st.text(max_size=30) | st.sampled_from(["msg_1", "v1,", str(int(time.time()))])


@given(TEXT, TEXT, st.lists(TEXT).map(" ".join), st.binary(max_size=30))
def test_whatever_the_headers_hold_is_turned_away(id: str, timestamp: str, given: str, body: bytes) -> None:
    route = HttpRoute("POST", "/", ())
    headers = {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": given}
    with pytest.raises(TurnedAway):
        Signatures(route, Verify((b"x" * 24,))).verified(headers, body)


# -- The same request again ---------------------------------------------------------


def ids(folder: Path) -> list[str]:
    return [message.id for message in EmbeddedPlace(folder / "broker.db").contents("events")]


def test_a_request_that_is_sent_again_is_the_same_message(client: Client, tmp_path: Path) -> None:
    answers = [post(client, signed(NEW, ago=ago)).json["id"] for ago in (5, 0)]
    other = post(client, signed(NEW, id="msg_2")).json["id"]
    elsewhere = post(client, signed(OLD), path="/others").json["id"]

    assert answers[0] == answers[1]
    assert len({answers[0], other, elsewhere}) == 3
    assert ids(tmp_path) == [*answers, other, elsewhere]


@pytest.fixture
def remembering(tmp_path: Path) -> Iterator[Any]:
    """An engine with a ledger."""
    from runner.engine import Engine

    text = PIPELINE.replace("LEDGER", f"ledger: sqlite:{tmp_path / 'ledger.db'}")
    with Engine(loaded(tmp_path, text.replace("KEEP", "idempotency: {keep: 1m}"))) as engine:
        yield engine


def test_with_a_ledger_a_request_that_is_sent_again_is_answered_again_and_causes_nothing(
    remembering: Any, tmp_path: Path
) -> None:
    client = Client(int(remembering.url.rpartition(":")[2]))
    first, again = post(client, signed(NEW, ago=5)), post(client, signed(NEW))

    assert (first.status, again.status) == (202, 202)
    assert first.text == again.text
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(ids(tmp_path)) == 1
    changed = b'{"type": "payment.refunded"}'
    assert_problem(post(client, signed(NEW, body=changed), body=changed), 422, "this webhook-id was used with another")
    assert post(client, signed(NEW, id="msg_2")).status == 202
    assert len(ids(tmp_path)) == 2


def test_a_captured_request_is_known_for_as_long_as_its_signature_is_taken(
    remembering: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(int(remembering.url.rpartition(":")[2]))
    captured, now = signed(OLD, ago=-290), time.time
    assert post(client, captured, path="/briefly").status == 202
    monkeypatch.setattr("time.time", lambda: now() + 580)
    again = post(client, captured, path="/briefly")
    assert (again.status, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert len(ids(tmp_path)) == 1
