"""A document as a pipeline: every key, every default, and what is left of a file with faults."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

from pathlib import Path

import pytest

from runner.brokers.rabbitmq import url
from runner.config.loader import load
from runner.message import Destination
from runner.pipeline import (
    Address,
    AlertMail,
    Alerts,
    Binding,
    Breaker,
    Console,
    ConsoleToken,
    Exchange,
    Health,
    Http,
    HttpRoute,
    Mailbox,
    Pipeline,
    Queue,
    Route,
    Stage,
    Verify,
    Webhook,
)
from runner.retry import RetryPolicy
from runner.topology import plan
from tests.config.files import check_problems, loaded

pytestmark = pytest.mark.usefixtures("any_schema")

TAKE = "tests.config.handlers:take"
QUEUES = "queues: {a: {}}\n"


def test_a_file_with_everything_in_it_becomes_a_pipeline(folder: Path) -> None:
    text = f"""
name: orders
broker: [amqp://a/v, "amqps://u:p@b:5673,[::1]/v"]
shutdown_timeout: 1m
defaults: {{retry: {{attempts: 3, delay: 1s}}, concurrency: 2, prefetch: 10, timeout: 20m}}
http:
  listen: "[::1]:0"
  max_body: 1MiB
  max_bodies: 1GiB
  confirm_timeout: 500ms
  request_timeout: 1m
  max_connections: 100
  routes:
    PUT /orders/new: {{publish: [orders, audit], verify: {{secrets: [whsec_{"QUJD" * 8}, {"QUJE" * 9}], tolerance: 1m}}}}
mailbox: {{listen: "localhost:0", folder: /tmp/mails}}
health: {{listen: "0.0.0.0:5001"}}
console: {{listen: "[::1]:5002", tokens: {{ada: {{hash: {"0a" * 32}, roles: [operator]}}, bob: {{hash: {"0b" * 32}}}}}}}
alerts:
  dead_letters: 3
  oldest: 10m
  not_ready: 30s
  mail: {{to: [a@x.org, b@x.org], settings: {{server: smtp.x.org, port: 587, use_tls: true, default_sender: r@x.org}}}}
  webhook: {{url: "https://x.org/hook", secret: whsec_{"QUJD" * 8}}}
exchanges: {{events: {{type: topic}}}}
queues:
  orders: {{schema: any.json, max_length: 10, delivery_limit: 30}}
  audit: {{type: classic, schema: any.json, bind: [{{exchange: events, key: "order.*"}}]}}
stages:
  ship:
    consume: orders
    handler: {TAKE}
    publish:
      - {{when: {{required: [late]}}, to: audit}}
      - to: [{{exchange: events, key: order.shipped}}, audit]
    retry: {{attempts: 4, max_delay: 1h30m}}
    concurrency: 8
    timeout: 25m
    breaker: {{failures: 3}}
  keep: {{consume: audit, handler: "{TAKE}"}}
"""
    retry = RetryPolicy(attempts=3, delay=1.0, factor=3.0, max_delay=300.0)
    when = Route((Destination("", "audit"),), {"required": ["late"]})
    otherwise = Route((Destination("events", "order.shipped"), Destination("", "audit")))
    both = Route((Destination("", "orders"), Destination("", "audit")))
    expected = Pipeline(
        name="orders",
        file=folder / "pipeline.yaml",
        broker=("amqp://a/v", "amqps://u:p@b:5673/v", "amqps://u:p@[::1]/v"),
        queues={
            "orders": Queue("orders", folder / "any.json", max_length=10, delivery_limit=30),
            "audit": Queue("audit", folder / "any.json", type="classic", bind=(Binding("events", "order.*"),)),
        },
        stages={
            "ship": Stage(
                "ship",
                "orders",
                TAKE,
                publish=(when, otherwise),
                concurrency=8,
                prefetch=10,
                timeout=1500.0,
                retry=RetryPolicy(attempts=4, delay=1.0, factor=3.0, max_delay=5400.0),
                breaker=Breaker(failures=3, pause=30.0),
            ),
            "keep": Stage("keep", "audit", TAKE, concurrency=2, prefetch=10, timeout=1200.0, retry=retry),
        },
        exchanges={"events": Exchange("events", "topic")},
        http=Http(
            Address("::1", 0),
            (HttpRoute("PUT", "/orders/new", (both,), verify=Verify((b"ABC" * 8, b"ABD" * 9), tolerance=60.0)),),
            max_body=1 << 20,
            max_bodies=1 << 30,
            confirm_timeout=0.5,
            request_timeout=60.0,
            max_connections=100,
        ),
        mailbox=Mailbox(Address("localhost", 0), Path("/tmp/mails")),
        health=Health(Address("0.0.0.0", 5001)),
        console=Console(
            Address("::1", 5002),
            tokens=(ConsoleToken("ada", "0a" * 32, ("operator",)), ConsoleToken("bob", "0b" * 32)),
        ),
        alerts=Alerts(
            dead_letters=3,
            oldest=600.0,
            not_ready=30.0,
            mail=AlertMail(
                ("a@x.org", "b@x.org"),
                {"server": "smtp.x.org", "port": 587, "use_tls": True, "default_sender": "r@x.org"},
            ),
            webhook=Webhook("https://x.org/hook", b"ABC" * 8),
        ),
        shutdown_timeout=60.0,
    )
    result = loaded(text)
    assert result.pipeline == expected
    assert result.warnings == ()
    assert sorted(result.schemas) == ["audit", "orders"]
    assert sorted(result.handlers) == ["keep", "ship"]


def test_what_is_left_out_has_defaults(folder: Path) -> None:
    parts = "mailbox: {}\nhealth: {listen: '127.0.0.1:5009'}\nconsole: {}\n"
    pipeline = loaded(f"{QUEUES}stages: {{s: {{consume: a, handler: '{TAKE}'}}}}\n{parts}").pipeline
    assert pipeline.name == "pipeline"
    assert pipeline.broker == (f"embedded:{folder}/var/broker.db",)
    assert pipeline.http is None
    assert pipeline.mailbox == Mailbox(Address("127.0.0.1", 1025), folder / "var/mailbox")
    assert pipeline.console == Console(Address("127.0.0.1", 5001))
    assert pipeline.queues == {"a": Queue("a")}
    assert pipeline.stages == {"s": Stage("s", "a", TAKE)}


# -- the broker ----------------------------------------------------------------------------


def test_a_path_of_an_embedded_broker_starts_at_the_file(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep/p.yaml").write_text(f"broker: embedded:b.db\n{QUEUES}")
    assert load(Path("deep/p.yaml"), environ={}).pipeline.broker == (f"embedded:{folder}/deep/b.db",)


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (
            "broker: ¦redis://user:hunter2@h/0\n",
            "broker has the scheme 'redis', which isn't known; use embedded:, amqp:// or amqps://",
        ),
        (
            "broker: ¦hunter2\n",
            "broker is not a URL; write embedded:PATH, amqp://user:password@host/vhost or amqps://…",
        ),
        ("broker: ¦'embedded:'\n", "broker needs a path after 'embedded:', such as embedded:var/broker.db"),
        ("broker: ¦embedded://x\n", "broker needs a path after 'embedded:', such as embedded:var/broker.db"),
        ("broker: ¦embedded:.\n", "broker names the folder {folder}; write the path of a file"),
        (
            "broker: ¦amqp://user:hun/ter2@h/v\n",
            "broker can't be read as a URL; in a user or password write '@' as %40, '/' as %2F, '?' as %3F, '#' as %23",
        ),
        (
            "broker: ¦amqp://u:p@a,,b/v\n",
            "broker needs a host, or several separated by commas, each with or without a port, such as amqp://a:5672,b/vhost",
        ),
        (
            "broker: ¦amqp://u:p@a:70000\n",
            "broker needs a host, or several separated by commas, each with or without a port, such as amqp://a:5672,b/vhost",
        ),
        (
            "broker: ¦amqp://h/v?hartbeat=5\n",
            "broker has the parameter 'hartbeat', which isn't known (did you mean 'heartbeat'?); known: {known}",
        ),
        (
            "broker: ¦amqp://h/v?heartbeat=0\n",
            "broker needs a whole number of seconds for 'heartbeat', from 1 to 65535, such as heartbeat=30",
        ),
        (
            "broker: ¦amqp://h/v?cacertfile=/ca.pem\n",
            "broker has the parameter 'cacertfile', which is for TLS; write amqps://",
        ),
        (
            "broker: ¦amqps://h/v?cacertfile=ca.pem\n",
            "broker needs the absolute path of a file for 'cacertfile', which 'ca.pem' is not",
        ),
        (
            "broker: ¦amqp://user:1?hunter2@h/v\n",
            "broker can't be read as a URL; in a user or password write '@' as %40, '/' as %2F, '?' as %3F, '#' as %23",
        ),
        (
            "broker: [amqp://a, ¦embedded:x.db]\n",
            "an embedded broker is one file on one machine, and can't be one of several; name it alone",
        ),
        (
            "broker: [amqp://a, ¦http://b]\n",
            "broker[1] has the scheme 'http', which isn't known; use embedded:, amqp:// or amqps://",
        ),
    ],
)
def test_a_broker_that_cannot_be_is_reported_without_its_password(folder: Path, marked: str, message: str) -> None:
    known = ", ".join(url.PARAMETERS)
    check_problems(marked + QUEUES, [message.format(folder=folder, known=known)], "error")


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        *(
            (f"mailbox: {{listen: ¦'{address}'}}\n", f"mailbox.listen {message}")
            for address, message in [
                ("localhost:65536", "has the port 65536, but ports end at 65535"),
                ("a..b:25", "needs a host of letters, digits, '-', '_' and '.', or an IPv6 address in brackets"),
                ("a＠b:25", "needs a host of letters, digits, '-', '_' and '.', or an IPv6 address in brackets"),
                (f"{'a' * 64}:25", "needs a host of letters, digits, '-', '_' and '.', or an IPv6 address in brackets"),
                ("[:::::]:25", "has brackets around what is no IPv6 address; write it as in [::1]"),
                ("[1.2.3.4]:25", "has brackets around what is no IPv6 address; write it as in [::1]"),
            ]
        ),
        ('mailbox: {folder: ¦"a\\0b"}\n', "mailbox.folder names a path with a NUL in it, which no system takes"),
        (f"mailbox: {{folder: ¦{'a' * 300}}}\n", "mailbox.folder names a path that can't be used: file name too long"),
        ("mailbox: {folder: ¦pipeline.yaml/x}\n", "mailbox.folder names a path that can't be used: not a directory"),
        (
            "mailbox: {folder: ¦/dev/zero}\n",
            "mailbox.folder names /dev/zero, which is no folder; write the path of one",
        ),
        ('broker: ¦"embedded:a\\0b"\n', "broker names a path with a NUL in it, which no system takes"),
        (
            "queues: {a: }\nhttp: {routes: {POST /a: {publish: a, headers: [X-A, ¦x-a]}}}\n",
            "route POST /a: headers names x-a twice; remove one",
        ),
        (
            "queues: {a: }\nhttp: {routes: {POST /a: {publish: a, headers: [¦Cookie]}}}\n",
            "route POST /a: headers[0] names Cookie, which is a secret of its sender and must not be stored; remove it",
        ),
        (
            f"exchanges: {{e: {{type: topic}}}}\nqueues: {{a: {{}}, b: {{bind: [{{exchange: e, key: ¦{'é' * 130}}}]}}}}\n",
            "queue b: bind[0].key is 260 bytes long, and a key has at most 255",
        ),
    ],
)
def test_what_run_could_not_use_is_reported(marked: str, message: str) -> None:
    check_problems(marked + ("" if "queues" in marked else "queues: {a: {}}\n"), [message], "error")


def test_the_longest_name_leaves_room_for_every_companion() -> None:
    """AMQP's names have 255 bytes."""
    name, stage = "q" * 200, f"handler: '{TAKE}', retry: {{attempts: 2, delay: 29d23h59m59s999ms, max_delay: 30d}}"
    pipeline = loaded(f"queues: {{{name}: }}\nstages: {{s: {{consume: {name}, {stage}}}}}\n").pipeline
    companions = [queue.name for queue in plan(pipeline).queues]
    assert max(map(len, companions)) == 200 + len(".retry.29d23h59m59s999ms") <= 255
    asked = "must be a name of letters, digits, '_', '-', '.' and ':', at most 200 long, that doesn't begin with 'amq.'"
    check_problems(f"queues: {{¦{'q' * 300}: }}\n", [f"queue '{'q' * 59}…' {asked}"], "error")
