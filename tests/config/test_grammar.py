"""What the grammar refuses, in words, at the token that is to blame."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
import yaml

from runner.config import grammar
from tests.config.files import check_problems

QUEUES = "queues: {a: {}, b: {}}\n"
VERIFY = "http: {{routes: {{POST /x: {{publish: a, verify: {}}}}}}}\n" + QUEUES.replace("{", "{{").replace("}", "}}")
STAGE = "consume: a, handler: 'tests.config.handlers:take'"


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        # keys
        ("¦nam: x\n" + QUEUES, "unknown key 'nam' (did you mean 'name'?)"),
        (
            "¦colour: red\n" + QUEUES,
            "unknown key 'colour'; known here: name, broker, ledger, keys, production, defaults, http, mailbox, health, console, alerts, exchanges, queues, stages and shutdown_timeout",
        ),
        ("queues: {a: {¦Max-Length: 5}}\n", "queue a: unknown key 'Max-Length' (did you mean 'max_length'?)"),
        ("queues: {a: {¦schema:x.json}}\n", "queue a: unknown key 'schema:x.json' (a space is missing: write 'schema: x.json')"),
        ("¦name: x\n", "the file needs the key 'queues'"),
        (f"{QUEUES}stages:\n  ¦s: {{consume: a}}\n", "stage s needs the key 'handler'"),
        (f"{QUEUES}stages:\n  s: {{consume: a, ¦handlr: a:b}}\n", "stage s: unknown key 'handlr' (did you mean 'handler'?)"),
        (f"{QUEUES}stages:\n  s: {{consume: a, ¦'handler:a:b'}}\n", "stage s: unknown key 'handler:a:b' (a space is missing: write 'handler: a:b')"),
        ("¦http: {}\n" + QUEUES, "http needs the key 'routes'"),
        ("http: {routes: {¦POST /x: {}}}\n" + QUEUES, "route POST /x needs the key 'publish'"),
        ("exchanges: {¦e: {}}\n" + QUEUES, "exchange e needs the key 'type'"),
        ("queues: {a: {bind: [¦{}]}}\n", "queue a: bind[0] needs the key 'exchange'"),
        # kinds of values
        ("¦[1, 2]\n", "the file is a list, but must be a mapping"),
        ("queues: ¦x\n", "queues is 'x', but must be a mapping with at least one queue, such as 'orders: {schema: schemas/order.json}'"),
        ("queues: ¦{}\n", "queues is empty, but must be a mapping with at least one queue, such as 'orders: {schema: schemas/order.json}'"),
        ("queues: {a: ¦[1]}\n", "queue a is a list, but must be a mapping"),
        (f"{QUEUES}stages: {{s:¦ }}\n", "stage s is empty, but must be a mapping"),
        (f"{QUEUES}stages: {{s: {{consume: ¦1, handler: 'tests.config.handlers:take'}}}}\n", "stage s: consume is 1, but must be text"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, settings: ¦[1]}}}}\n", "stage s: settings is a list, but must be a mapping"),
        (f"name: ¦true\n{QUEUES}", "name is true, but must be a name of letters, digits, '_', '-' and '.', at most 100 long"),
        # names
        ("queues: {¦a b: {}}\n", "queue 'a b' must be a name of letters, digits, '_', '-', '.' and ':', at most 200 long, that doesn't begin with 'amq.'"),
        ("queues: {¦amq.x: {}}\n", "queue 'amq.x' must be a name of letters, digits, '_', '-', '.' and ':', at most 200 long, that doesn't begin with 'amq.'"),
        ("queues: {¦" + "q" * 201 + ": {}}\n", "queue '" + "q" * 59 + "…' must be a name of letters, digits, '_', '-', '.' and ':', at most 200 long, that doesn't begin with 'amq.'"),
        (f"{QUEUES}stages: {{¦intake: {{{STAGE}}}}}\n", "stage 'intake' must be a name of letters, digits, '_' and '-', at most 100 long, and neither 'intake' nor 'mailbox'"),
        ("http: {routes: {¦GET /x: {publish: a}}}\n" + QUEUES, "route 'GET /x' must be POST, PUT or PATCH and a path, such as 'POST /orders'"),
        ("http: {routes: {¦POST x: {publish: a}}}\n" + QUEUES, "route 'POST x' must be POST, PUT or PATCH and a path, such as 'POST /orders'"),
        ("http: {routes: {¦POST /<id>: {publish: a}}}\n" + QUEUES, "route 'POST /<id>' must be POST, PUT or PATCH and a path, such as 'POST /orders'"),
        # choices
        ("queues: {a: {type: ¦Quorum}}\n", "queue a: type is 'Quorum', but must be quorum or classic (did you mean 'quorum'?)"),
        ("exchanges: {e: {type: ¦headers}}\n" + QUEUES, "exchange e: type is 'headers', but must be direct, topic or fanout"),
        # numbers
        ("queues: {a: {max_length: ¦0}}\n", "queue a: max_length is 0, but must be a whole number of messages, at least 1"),
        ("queues: {a: {delivery_limit: ¦1.5}}\n", "queue a: delivery_limit is 1.5, but must be a whole number from 1 to 1000"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, concurrency: ¦257}}}}\n", "stage s: concurrency is 257, but must be a whole number from 1 to 256"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, timeout: ¦never}}}}\n", "stage s: timeout is 'never', but must be a duration, such as 30s or 15m, or off"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, timeout: ¦1e308}}}}\n", "stage s: timeout is 11574074d1h46m40s, but must be from 100ms to 30d"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, timeout: ¦0}}}}\n", "stage s: timeout is 0s, but must be from 100ms to 30d"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, prefetch: ¦many}}}}\n", "stage s: prefetch is 'many', but must be a whole number from 1 to 65535"),
        (f"{QUEUES}defaults: {{retry: {{attempts: ¦101}}}}\n", "defaults.retry.attempts is 101, but must be a whole number from 1 to 100"),
        (f"{QUEUES}defaults: {{retry: {{factor: ¦0.5}}}}\n", "defaults.retry.factor is 0.5, but must be a number from 1 to 100"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, breaker: {{failures: ¦0}}}}}}\n", "stage s: breaker.failures is 0, but must be a whole number from 1 to 1000"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, breaker: ¦true}}}}\n", "stage s: breaker is true, but must be a mapping, such as {failures: 5, pause: 30s}"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, breaker: {{pause: ¦0s}}}}}}\n", "stage s: breaker.pause is 0s, but must be from 100ms to 30d"),
        # secrets, which are never shown
        ("http: {routes: {POST /x: {publish: a, ¦verify: {}}}}\n" + QUEUES, "route POST /x: verify needs the key 'secrets'"),
        (VERIFY.format("{secrets: ¦[]}"), "route POST /x: verify.secrets is empty, but must be a list of secrets, such as ['${WEBHOOK_SECRET}']"),
        (VERIFY.format("{secrets: ¦hunter2}"), "route POST /x: verify.secrets must be a list of secrets, such as ['${WEBHOOK_SECRET}']"),
        (VERIFY.format("{secrets: [¦1234]}"), "route POST /x: verify.secrets[0] must be text: whsec_ and the secret in base64"),
        (VERIFY.format("{secrets: [¦hunter2]}"), "route POST /x: verify.secrets[0] must be whsec_ and at least 24 bytes in base64"),
        (VERIFY.format("{secrets: [¦whsec_aHVudGVyMg==]}"), "route POST /x: verify.secrets[0] must be whsec_ and at least 24 bytes in base64"),
        (VERIFY.format("{secrets: [¦'']}"), "route POST /x: verify.secrets[0] must be whsec_ and at least 24 bytes in base64"),
        (VERIFY.format("{secrets: [QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD], tolerance: ¦2d}"), "route POST /x: verify.tolerance is 2d, but must be from 1s to 1d"),
        # durations and sizes
        (f"{QUEUES}shutdown_timeout: ¦soon\n", "shutdown_timeout is 'soon', but must be a duration, such as 500ms, 2s, 15m or 1h30m"),
        (f"{QUEUES}shutdown_timeout: ¦-1\n", "shutdown_timeout is -1, but must be a duration, such as 500ms, 2s, 15m or 1h30m"),
        (f"{QUEUES}shutdown_timeout: ¦2h\n", "shutdown_timeout is 2h, but must be from 0s to 1h"),
        (f"{QUEUES}defaults: {{retry: {{max_delay: ¦31d}}}}\n", "defaults.retry.max_delay is 31d, but must be from 1ms to 30d"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, retry: {{delay: ¦0s}}}}}}\n", "stage s: retry.delay is 0s, but must be from 1ms to 30d"),
        ("http: {max_body: ¦64KB, routes: {POST /x: {publish: a}}}\n" + QUEUES, "http.max_body is '64KB', but must be a size, such as 64KiB, 1MiB or a number of bytes"),
        ("http: {max_body: ¦1GiB, routes: {POST /x: {publish: a}}}\n" + QUEUES, "http.max_body is 1GiB, but must be from 1B to 16MiB"),
        # addresses
        ("mailbox: {listen: ¦1025}\n" + QUEUES, "mailbox.listen is 1025, but must be host:port, such as 127.0.0.1:5000 (this machine only), 0.0.0.0:5000 (every network) or \"[::1]:5000\""),
        ("mailbox: {listen: ¦':1025'}\n" + QUEUES, "mailbox.listen is ':1025', but must be host:port, such as 127.0.0.1:5000 (this machine only), 0.0.0.0:5000 (every network) or \"[::1]:5000\""),
        ("mailbox: {listen: ¦'::1:25'}\n" + QUEUES, "mailbox.listen is '::1:25', but must be host:port, such as 127.0.0.1:5000 (this machine only), 0.0.0.0:5000 (every network) or \"[::1]:5000\""),
        ("mailbox: {listen: ¦localhost:70000}\n" + QUEUES, "mailbox.listen has the port 70000, but ports end at 65535"),
        ("mailbox: {folder: ¦''}\n" + QUEUES, "mailbox.folder is empty text, but must be a path, relative to this file"),
        # publish
        (f"{QUEUES}stages: {{s: {{{STAGE}, publish: ¦[]}}}}\n", "stage s: publish is empty, but must be a queue's name, a list of names, or a list of routes such as {when: {required: [refusal]}, to: refused}"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, publish: [¦b, {{to: b}}]}}}}\n", "stage s: publish[0] is 'b', but must be a route, such as {to: refused}, since others in this list are; names and routes don't mix"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, publish: [b, ¦5]}}}}\n", "stage s: publish[1] is 5, but must be a queue's name"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, publish: [{{to: b, ¦if: x}}]}}}}\n", "stage s: publish[0]: unknown key 'if'; known here: when and to"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, publish: [{{to: b, when: ¦x}}]}}}}\n", "stage s: publish[0].when is 'x', but must be a JSON Schema, such as {required: [refusal]}"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, publish: [{{to: ¦[]}}]}}}}\n", "stage s: publish[0].to is empty, but must be a queue's name, {exchange, key}, or a list of these"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, publish: [{{to: [b, ¦1]}}]}}}}\n", "stage s: publish[0].to[1] is 1, but must be a queue's name, or {exchange, key}"),
        (f"{QUEUES}stages: {{s: {{{STAGE}, publish: [{{¦to: {{key: x}}}}]}}}}\n", "stage s: publish[0].to needs the key 'exchange'"),
        ("exchanges: {e: {type: topic}}\nqueues: {a: {bind: [{exchange: e, key: ¦5}]}}\n", "queue a: bind[0].key is 5, but must be text, at most 255 long; quote '*' and '#'"),
        # brokers, of which nothing is repeated
        (f"broker: ¦5\n{QUEUES}", "broker must be a URL, such as embedded:var/broker.db or amqp://user:password@host/vhost, or a list of them"),
        (f"broker: [¦5]\n{QUEUES}", "broker[0] must be a URL, such as amqp://user:password@host/vhost"),
    ],
)  # fmt: skip
def test_what_the_grammar_refuses_is_said_at_its_place(marked: str, message: str) -> None:
    check_problems(marked, [message], "error")


def test_a_missing_variable_is_the_only_fault_of_its_value() -> None:
    marked = "queues:\n  a:\n    max_length: ¦${LENGTH}\n    type: ¦${TYPE}\n"
    reason = "the variable {0} isn't set; set it, or give a default: ${{{0}:-...}}"
    check_problems(marked, [reason.format("LENGTH"), reason.format("TYPE")], "error")


def test_null_stands_for_nothing_where_a_mapping_may_be_empty() -> None:
    text = f"queues: {{a: , b: }}\nexchanges:\ndefaults:\nstages: {{s: {{{STAGE}, settings: , publish: b}}}}\n"
    check_problems(text, [], "error")


# -- the grammar itself ---------------------------------------------------------------


def test_the_grammar_is_a_json_schema() -> None:
    assert jsonschema_rs.meta.is_valid(dict(grammar.grammar()))


def test_every_key_is_described_for_editors() -> None:
    undescribed = [name for name, schema in keys(grammar.grammar()) if "description" not in resolved(schema)]
    assert undescribed == []


def keys(schema: Any) -> list[tuple[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in keys(item)]
    if not isinstance(schema, dict):
        return []
    own = list(schema.get("properties", {}).items())
    return own + [found for member in schema.values() for found in keys(member)]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to; its own words win."""
    target: Any = grammar.grammar()
    for step in schema.get("$ref", "#").split("/")[1:]:
        target = target[step]
    return {**(target if "$ref" in schema else {}), **schema}


# -- texts with variables, as editors see them -------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "name: ${NAME}\n" + QUEUES,
        "queues: {a: {type: '${TYPE:-quorum}', max_length: '${LENGTH}', delivery_limit: '${LIMIT}'}}\n",
        "exchanges: {e: {type: '${TYPE}'}}\n" + QUEUES,
        f"{QUEUES}stages: {{s: {{{STAGE}, concurrency: '${{N:-4}}', prefetch: '${{N}}'}}}}\n",
        f"{QUEUES}defaults: {{retry: {{attempts: '${{N}}', delay: '${{N}}s', factor: '${{N}}', max_delay: '${{N}}'}}}}\n",
        "http: {listen: '0.0.0.0:${PORT}', max_body: '${N}', confirm_timeout: '${N}', routes: {POST /x: {publish: a}}}\n" + QUEUES,
        f"mailbox: {{listen: '${{LISTEN}}'}}\nshutdown_timeout: ${{N}}\n{QUEUES}",
    ],
)  # fmt: skip
def test_a_text_with_a_variable_may_stand_wherever_a_value_may(text: str) -> None:
    validator = jsonschema_rs.Draft202012Validator(json.loads(grammar.FILE.read_bytes()))
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


def test_what_a_variable_stands_for_is_checked_as_if_it_were_written() -> None:
    message = "defaults.concurrency is 257, but must be a whole number from 1 to 256"
    check_problems(f"{QUEUES}defaults:\n  concurrency: ¦${{N:-257}}\n", [message], "error")
    literal = "shutdown_timeout is '${N}', but must be a duration, such as 500ms, 2s, 15m or 1h30m"
    check_problems(f"{QUEUES}shutdown_timeout: ¦$${{N}}\n", [literal], "error")
