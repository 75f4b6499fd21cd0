"""The whole file written out, with the value of each default."""

from __future__ import annotations

import dataclasses
import operator
from functools import reduce
from pathlib import Path

import pytest
import yaml

from runner.config.loader import LoadedPipeline, load
from runner.config.written import written
from runner.privacy.redaction import HIDDEN
from tests.certificates import Certificate
from tests.config.defaults import DEFAULTS

ROOT = Path(__file__).parents[2]

EVERYTHING = """
name: orders
broker: embedded:var/orders.db
shutdown_timeout: 1m
defaults: {retry: {attempts: 3, delay: 1s}, prefetch: 10}
http:
  listen: "[::1]:0"
  max_body: 1000
  max_bodies: 2000
  confirm_timeout: 500ms
  request_timeout: 1m
  max_connections: 100
  tls: {certificate: CERTIFICATE, key: KEY}
  routes:
    POST /orders: {publish: orders}
    PUT /orders: {publish: [orders, audit]}
    PATCH /orders:
      publish:
        - when: {properties: {why: {enum: [no, "1:30", "$${x}", 1]}, amount: {minimum: 1.5}}, required: [why, note]}
          to: late
        - to: [orders, {exchange: events, key: order.changed}]
mailbox: {folder: /tmp/mails}
health: {listen: "127.0.0.1:5009"}
console:
  listen: "127.0.0.1:5010"
  tls: {certificate: CERTIFICATE, key: KEY}
  tokens: {ada: {hash: "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", roles: [operator, revealer]}}
alerts:
  dead_letters: 0
  paused: 10m
  mail: {to: [ops@example.com], settings: {server: smtp.example.com, port: 25, default_sender: r@example.com}}
  webhook: {url: "https://example.com/"}
exchanges: {events: {type: topic}, all: {type: fanout}}
queues:
  orders: {schema: any.json, max_length: 10}
  audit: {type: classic, schema: any.json, bind: [{exchange: events, key: "order.*"}, {exchange: all}]}
  late: {schema: any.json, delivery_limit: 50, external: true, was: "early.1"}
ledger: sqlite:ledger.db
stages:
  ship:
    consume: orders
    handler: tests.config.handlers:Send
    settings:
      server: ""
      timeout: 2
      cards: ["0123", "no", "a: b", "x\\ny", "$${HOME}", "#"]
      headers: {"1": "2", "a b": "c"}
      templates: letters
      anything: [1, 2.5, null, {deep: [true]}]
    publish:
      - when: {required: [again]}
        to: orders
      - when: {$ref: any.json}
        to: [late, {exchange: all}]
      - to: audit
    retry: {attempts: 4, factor: 1.5}
    concurrency: 8
    settles: /earlier
  sort: {consume: late, handler: "tests.config.handlers:take", retry: {attempts: 1}}
  keep: {consume: audit, handler: "tests.worker.test_reconcile:Bank", once: true, reconcile: [1m, 2h], key_lifetime: 1d}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "any.json").write_text("true")
    return tmp_path


def loaded(text: str, file: str = "pipeline.yaml") -> LoadedPipeline:
    Path(file).write_text(text)
    return load(Path(file), environ={})


def test_what_is_shown_loads_as_the_same_pipeline(certificate: Certificate) -> None:
    before = loaded(EVERYTHING.replace("CERTIFICATE", str(certificate.file)).replace("KEY", str(certificate.key)))
    after = loaded(written(before), "shown.yaml")
    assert dataclasses.replace(after.pipeline, file=before.pipeline.file) == before.pipeline
    assert written(after) == written(before)


def test_what_is_shown_of_the_shipped_pipeline_loads_as_the_same() -> None:
    before = load(ROOT / "pipeline.yaml", environ={})
    beside = Path("pipeline.yaml")
    beside.write_text(written(before))
    Path("schemas").symlink_to(ROOT / "schemas")
    after = load(beside, environ={}).pipeline
    assert after.stages == before.pipeline.stages
    assert list(after.queues) == list(before.pipeline.queues)


def test_every_default_is_filled_in_and_the_waits_are_computed() -> None:
    stage = "{consume: a, handler: tests.handlers.samples:with_settings, settings: {gateway: g}}"
    text = f"queues: {{a: {{}}}}\nstages: {{s: {stage}}}\n"
    assert written(loaded(text)) == (
        "name: pipeline\n"
        "\n"
        "broker: embedded:var/broker.db\n"
        "\n"
        "queues:\n"
        "  a:\n"
        "    type: quorum\n"
        "    delivery_limit: 20\n"
        "\n"
        "stages:\n"
        "  s:\n"
        "    consume: a\n"
        "    handler: tests.handlers.samples:with_settings\n"
        "    settings:\n"
        "      gateway: g\n"
        "      # timeout: 5.0 (the handler's default)\n"
        "    concurrency: 1\n"
        "    prefetch: 500\n"
        "    timeout: 10m\n"
        "    retry:\n"
        "      attempts: 5\n"
        "      delay: 2s\n"
        "      factor: 3\n"
        "      max_delay: 5m\n"
        "      # waits: [2s, 6s, 18s, 54s]; 1m20s in all, then the dead letters\n"
        "\n"
        "shutdown_timeout: 25s\n"
    )


def test_what_a_file_leaves_out_is_shown_with_the_models_defaults() -> None:
    stage = "{consume: a, handler: tests.config.handlers:take, breaker: {}}"
    routes = "{POST /a: {publish: a}}"
    text = f"queues: {{a: {{}}}}\nstages: {{s: {stage}}}\nhttp: {{routes: {routes}}}\nmailbox: {{}}\n"
    text += "ledger: {url: 'sqlite:l.db'}\n"
    shown = yaml.safe_load(written(loaded(text + "health: {}\n")))
    shown |= {"console": yaml.safe_load(written(loaded(text + "console: {}\n")))["console"]}  # on the same port
    shown_in_use = (
        {"http.routes.*.verify.tolerance"}
        | {f"http.routes.*.idempotency{key}" for key in ("", ".mode", ".keep")}
        | {"stages.*.on_unknown", "http.routes.*.auth", "console.tokens.*.roles"}
    )
    for key, default in DEFAULTS.items():
        trail = key.replace("queues.*", "queues.a").replace("stages.*", "stages.s").replace("retry", "stages.s.retry")
        if default and not key.startswith("defaults.") and key not in shown_in_use:
            assert reduce(operator.getitem, trail.split("."), shown) == default, key


def test_how_a_route_is_verified_is_shown_without_its_secrets() -> None:
    secret = "whsec_" + "QUJD" * 8
    verify = f"{{secrets: [{secret}, {secret}], tolerance: 90s}}"
    text = f"queues: {{a: {{}}}}\nhttp: {{routes: {{POST /a: {{publish: a, verify: {verify}}}}}}}\n"
    shown = written(loaded(text))
    assert 'verify: {"secrets": ["********", "********"], "tolerance": "1m30s"}' in shown or "tolerance: 1m30s" in shown
    assert "QUJD" not in shown


def test_who_may_post_and_how_often_is_shown() -> None:
    text = """
ledger: sqlite:l.db
queues: {a: {}}
http: {routes: {POST /a: {publish: a, auth: api_key, rate_limit: 1000 / h}}}
"""
    shown = written(loaded(text))
    assert "      auth: api_key\n      rate_limit: 1000/h\n" in shown


def test_which_headers_travel_is_shown() -> None:
    text = "queues: {a: {}}\nhttp: {routes: {POST /a: {publish: a, headers: [X-Request-ID, traceparent]}}}\n"
    shown = yaml.safe_load(written(loaded(text)))
    assert shown["http"]["routes"]["POST /a"]["headers"] == ["X-Request-ID", "traceparent"]


def test_secrets_are_hidden_wherever_they_stand() -> None:
    text = """
broker: ["amqp://user:hunter2@a/v", "amqp://user:hunter2@b/v"]
queues: {a: {}}
stages:
  s:
    consume: a
    handler: tests.handlers.samples:with_all_settings
    settings:
      password: hunter2
      api_key: 1234
      no_token: ""
      use_tokens: true
      database: postgresql://user:hunter2@host/db
      nested: {deep: [{secret: [hunter2]}]}
"""
    shown = written(loaded(text))
    assert "hunter2" not in shown
    assert "1234" not in shown
    assert "broker: [amqp://user:********@a/v, amqp://user:********@b/v]\n" in shown
    assert '      password: "********"  # hidden\n      api_key: "********"  # hidden\n' in shown
    assert '      no_token: ""\n      use_tokens: true\n' in shown
    assert "      database: postgresql://user:********@host/db\n" in shown
    assert '      nested: {deep: [{secret: "********"}]}\n' in shown


def test_what_came_from_a_file_is_hidden_whatever_its_name(folder: Path) -> None:
    (folder / "rabbit").write_text("amqp://user:hunter2@a/v\n")
    (folder / "value").write_text("4711\n")
    text = """
broker: ${file:rabbit}
queues: {a: {}}
stages:
  s:
    consume: a
    handler: tests.handlers.samples:with_all_settings
    settings:
      plain: ${file:value}
      part: see ${file:value}
      nested: {deep: [1, "${file:value}", {more: "${file:value}"}]}
"""
    shown = written(loaded(text))
    assert "hunter2" not in shown
    assert "4711" not in shown
    assert "broker: amqp://user:********@a/v\n" in shown
    assert '      plain: "********"  # hidden\n      part: "********"  # hidden\n' in shown
    assert '      nested: {deep: [1, "********", {more: "********"}]}\n' in shown


def test_what_came_out_of_a_variable_is_hidden_unless_it_is_the_default() -> None:
    text = """
broker: amqp://user:hunter2@a/v
queues: {a: {}}
stages:
  s:
    consume: a
    handler: tests.handlers.samples:with_all_settings
    settings:
      user: ${USER_NAME:-nobody}
      port: ${PORT:-25}
      same: ${SAME:-x}
      line: dsn=${DSN}
      pass: hunter2
      hook: https://a/?token=hunter2
      nested: {deep: [1, "${DSN}"]}
"""
    Path("pipeline.yaml").write_text(text)
    shown = written(load(Path("pipeline.yaml"), environ={"PORT": "587", "SAME": "x", "DSN": "hunter2"}))
    assert "hunter2" not in shown
    assert "      user: nobody\n" in shown
    assert '      port: "********"  # hidden\n' in shown
    assert "      same: x\n" in shown
    assert '      line: "********"  # hidden\n' in shown
    assert '      nested: {deep: [1, "********"]}\n' in shown


def test_a_stage_that_is_never_tried_again_says_so() -> None:
    text = "queues: {a: {}}\nstages: {s: {consume: a, handler: 'tests.config.handlers:take', retry: {attempts: 1}}}\n"
    assert "      # no second attempt, then the dead letters\n" in written(loaded(text))


def test_of_alerts_no_secret_is_shown() -> None:
    settings = "{server: x, port: 587, use_tls: true, default_sender: r@x.org, username: me, password: hunter2}"
    webhook = f"{{url: 'https://x.org/T0/s3cr3t', secret: whsec_{'QUJD' * 8}}}"
    alerts = f"alerts: {{oldest: 1m, mail: {{to: [a@x.org], settings: {settings}}}, webhook: {webhook}}}\n"
    shown = written(
        loaded(f"queues: {{a: {{}}}}\nstages: {{s: {{consume: a, handler: tests.config.handlers:take}}}}\n{alerts}")
    )
    assert "hunter2" not in shown
    assert "QUJD" not in shown
    assert "s3cr3t" not in shown
    assert "https://x.org/" in shown
    assert yaml.safe_load(shown)["alerts"]["webhook"]["secret"] == HIDDEN
