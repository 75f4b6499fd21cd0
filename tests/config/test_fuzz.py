"""Whatever is in the file: it loads, or it is explained. Never a traceback."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.config import grammar
from runner.config.loader import load
from runner.config.yaml.writer import inline
from runner.errors import ConfigError, Problem

SHIPPED = (
    (Path(__file__).parent.parent.parent / "pipeline.yaml").read_text(encoding="utf-8").replace("stages.", "nowhere.")
)
"""Without its handlers, whose modules aren't here."""

FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = [
    "a",
    "1",
    "on",
    "~",
    ": ",
    "- ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "!x ",
    "'",
    '"',
    "|",
    ">",
]
PIECES += [
    "?",
    "%",
    "@",
    "---\n",
    "...\n",
    "\t",
    "${A}",
    "${",
    "$$",
    "é",
    "\x00",
    "\\",
    "queues",
    "stages",
    "publish",
    "http: ",
]
WORDS = st.sampled_from(SHIPPED.split()) | st.text(max_size=5) | st.none() | st.integers() | st.floats() | st.booleans()
KEYS = st.sampled_from([*sorted(set(re.findall(r'"(\w+)": \{', json.dumps(grammar.grammar())))), "a", "b", "POST /a"])


def check(source: bytes | str) -> None:
    file = Path("pipeline.yaml")
    file.write_bytes(source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass"))
    problems: Sequence[Problem]
    try:
        problems = load(file, environ={"A": "1"}).warnings
    except ConfigError as error:
        problems = error.problems or pytest.fail("refused without a reason")
    assert list(problems) == sorted(problems)
    assert all((problem.line == 0) == (problem.column == 0) for problem in problems)
    assert all(problem.message.isprintable() for problem in problems)


@FUZZ
@given(st.binary(max_size=200))
@example(b"\xff\xfea\x00:\x00")
@example(b"a: \xed\xa0\x80")
@example(b"\xef\xbba")
def test_any_bytes(source: bytes) -> None:
    check(source)


@FUZZ
@given(st.text(max_size=200))
@example("a: \u2028 b: c")
@example("? ? ? a\n: :")
def test_any_text(source: str) -> None:
    check(source)


@pytest.mark.parametrize(
    "text", ["\\0", "\\ud800", "\\u2028", "a" * 5000, "1" * 5000, ".inf", "1e999", "/dev/zero", "/", "fifo", "."]
)
@pytest.mark.parametrize(
    "place",
    [
        "name: {}",
        "broker: {}",
        "broker: [{}]",
        "broker: embedded:{}",
        "broker: amqp://{}",
        "broker: amqp://u:{}@h/{}?heartbeat={}",
        "broker: amqps://h?cacertfile={}",
        "shutdown_timeout: {}",
        "mailbox: {{listen: {}, folder: {}}}",
        "mailbox: {{listen: {}:25}}",
        "http: {{listen: {}, max_body: {}, routes: {{POST /a: {{publish: {}}}}}}}",
        "http: {{routes: {{POST /a: {{publish: [{{when: {{const: {}}}, to: a}}]}}}}}}",
        "http: {{routes: {{POST /a: {{publish: [{{when: {{$ref: {}}}, to: a}}]}}}}}}",
        "http: {{routes: {{{}: {{publish: a}}}}}}",
        "http: {{routes: {{POST /a: {{publish: a, verify: {{secrets: [{}], tolerance: {}}}}}}}}}",
        "defaults: {{concurrency: {}, retry: {{attempts: {}, delay: {}, factor: {}}}}}",
        "stages: {{s: {{consume: {}, handler: {}, settings: {{a: {}}}, publish: {}}}}}",
        "stages: {{{}: {{consume: a, handler: builtins:print}}}}",
        "queues: {{a: {{schema: {}, type: {}, max_length: {}}}}}",
        "queues: {{{}: }}",
        "exchanges: {{{}: {{type: topic}}}}",
        "x: &x {}\n? *x\n: 1",
        "x: &x {{? {} : 1}}\n<<: *x",
    ],
)
def test_anything_odd_in_any_place(place: str, text: str, folder: Path) -> None:
    """Quoted and plain; beside a pipeline that is well."""
    os.mkfifo(folder / "fifo")
    for written in (f'"{text}"', text):
        filled = place.format(*[written] * place.count("{}"))
        check(filled if filled.startswith("queues") else f"queues: {{a: , b: }}\n{filled}")


@pytest.mark.parametrize(
    "schema",
    [
        *(
            '{"maxLength": ' + "9" * 5000 + "}",
            '{"title": "\\ud800"}',
            '{"\\ud800": 1}',
            '{"minimum": NaN}',
            '{"minimum": 1e999}',
        ),
        *('{"$ref": "a%00b"}', '{"$ref": "/dev/zero"}', '{"$ref": "fifo"}', '{"$ref": "."}', '{"$ref": "file://x/y"}'),
        *('{"not": ' * 5000 + "{}" + "}" * 5000, '{"' + "a" * 100_000 + '": 1}', "", "[", "\x00", "true"),
    ],
)
def test_any_schema(schema: str, folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "s.json").write_text(schema)
    check("queues: {a: {schema: s.json}}\n")


@FUZZ
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_anything_that_looks_like_yaml(source: str) -> None:
    check(source)


@FUZZ
@given(
    st.recursive(
        WORDS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=6),
        max_leaves=30,
    )
)
def test_any_value_in_yaml(value: object) -> None:
    check(inline(value))


@FUZZ
@given(
    st.dictionaries(KEYS, st.dictionaries(KEYS, st.dictionaries(KEYS, WORDS | st.lists(WORDS, max_size=3)), max_size=5))
)
def test_any_sections(value: object) -> None:
    check(inline(value))


@pytest.mark.parametrize("seed", range(150))
def test_any_slip_in_the_shipped_file(seed: int) -> None:
    """A few characters lost, doubled, swapped or mistyped, or whole lines."""
    chance = random.Random(seed)
    text = SHIPPED
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text))
        end = min(len(text), start + chance.choice([1, 1, 1, 2, 5, 30]))
        part = text[start:end]
        text = (
            text[:start] + chance.choice(["", part * 2, part[::-1], chance.choice(PIECES), part.upper()]) + text[end:]
        )
    check(text)


@pytest.mark.parametrize("line", range(len(SHIPPED.splitlines())))
def test_any_line_of_the_shipped_file_left_out(line: int) -> None:
    lines = SHIPPED.splitlines(keepends=True)
    check("".join(lines[:line] + lines[line + 1 :]))
