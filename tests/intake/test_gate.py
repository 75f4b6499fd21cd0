"""Who may post, and how often: strangers get a 401 whatever they send, and nothing of theirs is kept."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.brokers.registry import connect
from runner.errors import LedgerAwayError
from runner.intake.gate import site_of
from runner.ledger import apikeys
from runner.ledger.hops import HopKey
from runner.ledger.ledger import Ledger
from tests.http_client import Answer, Client
from tests.intake.served import WAYS, assert_problem, stored
from tests.ledger.ledgers import published, record
from tests.pipelines import loaded
from tests.waiting import wait_until

PIPELINE = """
    name: test
    broker: BROKER
    ledger: LEDGER
    http:
      listen: 127.0.0.1:0
      routes:
        POST /pay: {publish: payments, auth: api_key, idempotency: optional, status: "/payments/{id}"}
        POST /few: {publish: payments, auth: api_key, rate_limit: 2/h, idempotency: optional}
        POST /open: {publish: payments, rate_limit: 2/h}
        POST /told: {publish: payments, status: "/told/{id}"}
    queues: {payments: {}}
"""


class Shop(NamedTuple):
    """An intake that knows two callers."""

    client: Client
    ledger: Ledger
    folder: Path
    keys: dict[str, str]

    def post(self, path: str, caller: str = "", **headers: str) -> Answer:
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        if caller:
            sent["Authorization"] = f"Bearer {self.keys[caller]}"
        return self.client.request("POST", path, b'{"n": 1}', sent)

    def get(self, path: str, caller: str = "") -> Answer:
        headers = {"Authorization": f"Bearer {self.keys[caller]}"} if caller else {}
        return self.client.request("GET", path, None, headers)


@pytest.fixture(params=list(WAYS))
def shop(
    request: pytest.FixtureRequest, tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setattr(apikeys, "EVERY", 0.01)
    pipeline = loaded(tmp_path, PIPELINE.replace("LEDGER", ledger_url))
    broker, ledger = connect(pipeline.pipeline, "test"), Ledger(ledger_url).open(timeout=30.0)
    keys = {caller: ledger.api_keys.add(caller, None)[0] for caller in ("shop", "other")}
    with WAYS[request.param](pipeline, broker, ledger) as client:
        made = Shop(client, ledger, tmp_path, keys)
        wait_until(lambda: made.get("/payments/none", "other").status == 404)
        yield made
    ledger.close()
    broker.close()


# -- API keys ---------------------------------------------------------------------


def test_who_has_a_key_may_post(shop: Shop) -> None:
    assert shop.post("/pay", "shop").status == 202
    assert (
        shop.client.request(
            "POST",
            "/pay",
            b"{}",
            {"Content-Type": "application/json", "Authorization": f"bEARER   {shop.keys['shop']}"},
        ).status
        == 202
    )


def test_nobody_else_may(shop: Shop) -> None:
    answer = shop.post("/pay")
    assert_problem(answer, 401, "Authorization: Bearer")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    answer = shop.post("/pay", Authorization=f"Bearer {shop.keys['shop'][:-1]}x")
    assert_problem(answer, 401, "none that is valid")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert stored(shop.folder, "payments") == []


@pytest.mark.parametrize(
    "header",
    ["", " ", "Bearer", "Bearer ", "Basic KEY", "KEY", "Bearer KEY x", "Bearer KEY, Bearer KEY", "Bearer\tKEY"],
)
def test_a_key_is_taken_only_as_the_standard_has_it(shop: Shop, header: str) -> None:
    assert shop.post("/pay", Authorization=header.replace("KEY", shop.keys["shop"])).status == 401


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=300).map(lambda sent: sent.translate(None, b"\r\n")))
def test_whatever_is_sent_as_a_key_is_a_refusal(shop: Shop, sent: bytes) -> None:
    head = b"POST /pay HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: "
    with socket.create_connection(("127.0.0.1", shop.client.port), 30) as connection:
        connection.sendall(head + sent + b"\r\nContent-Length: 2\r\n\r\n{}")
        status = connection.makefile("rb").readline().split()[1]
    assert status in (b"401", b"400")  # 400: no header at all


def test_a_stranger_is_refused_before_his_body_is_read(shop: Shop) -> None:
    head = b"POST /pay HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shop.client.port), 30) as connection:
        connection.sendall(head)
        assert connection.makefile("rb").readline().split()[1] == b"401"


def test_a_key_that_was_revoked_opens_nothing_any_more(shop: Shop) -> None:
    shop.ledger.api_keys.revoke(shop.ledger.api_keys.all()[0])
    wait_until(lambda: shop.post("/pay", "shop").status == 401)
    assert shop.post("/pay", "other").status == 202


def test_idempotency_keys_of_one_caller_are_nothing_to_another(shop: Shop) -> None:
    first, again, other = (shop.post("/pay", caller, Idempotency_Key="k") for caller in ("shop", "shop", "other"))
    assert first.json["id"] == again.json["id"] != other.json["id"]
    assert "Idempotent-Replayed" not in other.headers


def test_a_caller_is_told_only_how_his_own_messages_stand(shop: Shop) -> None:
    place = shop.post("/pay", "shop").headers["Location"]
    assert shop.get(place, "shop").json["status"] == "done"
    assert_problem(shop.get(place, "other"), 404, "nothing is known")
    assert_problem(shop.get(place), 401, "Authorization: Bearer")


def test_the_status_of_another_route_tells_no_stranger_of_a_callers_message(shop: Shop) -> None:
    sent = shop.post("/pay", "shop").json["id"]
    assert [shop.get(f"/told/{sent}", caller).status for caller in ("", "other")] == [404, 404]
    assert shop.get(shop.post("/told").headers["Location"]).json["status"] == "done"


def test_a_caller_is_told_of_his_message_though_the_clock_of_a_worker_is_behind(shop: Shop) -> None:
    place = shop.post("/pay", "shop").headers["Location"]
    copy = HopKey(place.rpartition("/")[2], "later")
    assert record(shop.ledger, published(copy, by="a_stage", at=time.time() - 60)) is None
    assert shop.get(place, "shop").json["stages"][0]["queue"] == "later"
    assert_problem(shop.get(place, "other"), 404, "nothing is known")


def test_without_the_ledger_nobody_is_known(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> Any:
        raise LedgerAwayError("no connection")

    monkeypatch.setattr(apikeys, "STALE", 0.0)
    monkeypatch.setattr(apikeys.ApiKeys, "all", away)
    answer = shop.post("/pay", "shop")
    assert_problem(answer, 503, "send it again later")
    assert answer.headers["Retry-After"]


# -- Rate limits ------------------------------------------------------------------


def test_beyond_its_limit_a_caller_is_asked_to_come_later(shop: Shop) -> None:
    answers = [shop.post("/few", "shop") for _ in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 429, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=2;w=3600'}
    assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers] == [
        f'"default";r={remaining}' for remaining in (1, 0, 0, 0)
    ]
    assert 3500 < int(answers[-1].headers["Retry-After"]) <= 3660
    assert_problem(answers[-1], 429, "more requests than 2/h")
    assert len(stored(shop.folder, "payments")) == 2


def test_each_caller_and_each_route_has_its_own(shop: Shop) -> None:
    assert [shop.post("/few", "shop").status for _ in range(3)] == [202, 202, 429]
    assert shop.post("/few", "other").status == 202
    assert shop.post("/pay", "shop").status == 202


def test_strangers_cost_a_caller_nothing(shop: Shop) -> None:
    assert [shop.post("/few").status for _ in range(3)] == [401, 401, 401]
    assert shop.post("/few", "shop").headers["RateLimit"].startswith('"default";r=1')


def test_a_replay_and_a_refused_body_count_too_and_say_what_is_left(shop: Shop) -> None:
    assert shop.post("/few", "shop", Idempotency_Key="k").headers["RateLimit"].startswith('"default";r=1')
    replayed = shop.post("/few", "shop", Idempotency_Key="k")
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert replayed.headers["RateLimit"].startswith('"default";r=0')
    refused = shop.client.request(
        "POST", "/few", b"{", {"Content-Type": "application/json", "Authorization": f"Bearer {shop.keys['other']}"}
    )
    assert refused.status == 400
    assert refused.headers["RateLimit"].startswith('"default";r=1')


def test_without_keys_an_address_is_a_caller(shop: Shop) -> None:
    assert [shop.post("/open").status for _ in range(3)] == [202, 202, 429]


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.1:4711", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8:1:2:3::4]:80", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("[fe80::1%eth0]:80", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_what_one_client_may_have_for_itself_is_one_caller(address: str, site: str) -> None:
    assert site_of(address) == site
