"""Loading a pipeline file, with the schemas, conditions and handlers that it names."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from runner import Message
from runner.config.loader import load
from runner.errors import ConfigError
from tests.config.files import changed, check_problems, loaded, problems_of

ROOT = Path(__file__).parent.parent.parent
TAKE = "tests.config.handlers:take"
QUEUES = "queues: {a: {}}\n"


# -- the whole ------------------------------------------------------------------------


def test_the_environment_is_put_in_and_nothing_else_is_looked_at() -> None:
    text = f"name: ${{NAME}}\nbroker: ${{BROKER_URL:-embedded:x.db}}\n{QUEUES}"
    assert loaded(text, {"NAME": "n", "BROKER_URL": "amqp://h"}).pipeline.broker == ("amqp://h",)
    check_problems(
        text.replace("$", "¦$", 1), ["the variable NAME isn't set; set it, or give a default: ${NAME:-...}"], "error"
    )


def test_the_shipped_pipeline_loads_without_a_word() -> None:
    result = load(ROOT / "pipeline.yaml", environ={})
    assert result.warnings == ()
    assert [queue.name for queue in result.pipeline.queues.values() if queue.name not in result.schemas] == []


@pytest.mark.usefixtures("any_schema")
def test_everything_is_reported_at_once_in_the_order_of_the_file() -> None:
    marked = changed("b: {}", "b: {¦size: 5, type: ¦quick}").replace("publish: c}", "publish: ¦d, settings: {¦x: 1}}")
    marked = marked.replace("http: {", "http: {listen: ¦x, ")
    expected = [
        "http.listen is 'x', but must be host:port, such as 127.0.0.1:5000 (this machine only), 0.0.0.0:5000 (every network) or \"[::1]:5000\"",
        "queue b: unknown key 'size'; known here: schema, type, max_length, delivery_limit, bind, external and was",
        "queue b: type is 'quick', but must be quorum or classic",
        "stage two publishes to 'd', which no queue declares; add it under queues",
        "stage two: take has no setting 'x'; it takes none",
    ]
    check_problems(marked, expected, "error")


# -- files that can't be read -----------------------------------------------------------


HOW_TO_GO_ON = "name another file, or write a pipeline with 'runner new FOLDER'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, f"pipeline.yaml: can't be read: No such file or directory; {HOW_TO_GO_ON}"),
        (b"", "pipeline.yaml: is empty; a pipeline has at least 'queues'"),
        (b"# nothing\n", "pipeline.yaml: is empty; a pipeline has at least 'queues'"),
        (b"a: [1", "pipeline.yaml:1:6: the list that begins with '[' on line 1 lacks a ',' or a ']' here"),
        (b" " * (1 << 20) + b"x", "pipeline.yaml: is larger than 1MiB"),
        (b"a: [" + b"1," * 60_000 + b"]", "pipeline.yaml:1:100001: this file has more than 50000 values"),
    ],
)
def test_a_file_that_is_not_a_pipeline_is_reported_in_a_line(folder: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (folder / "pipeline.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(Path("pipeline.yaml"), environ={})
    assert str(caught.value) == message


def test_a_folder_is_no_pipeline(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^\.: can't be read: Is a directory$"):
        load(Path(), environ={})


# -- schemas and conditions ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "queue a: schema s/x.json can't be read: No such file or directory"),
        ('{\n  "type": }', "queue a: schema s/x.json:2:11 isn't JSON: Expecting value"),
        ('{"type": "strin"}', "queue a: schema s/x.json is not a JSON Schema: /type is 'strin', which isn't allowed there (did you mean 'string'?)"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_used_is_reported_at_its_name(folder: Path, content: str | None, message: str) -> None:
    (folder / "s").mkdir()
    if content is not None:
        (folder / "s/x.json").write_text(content)
    check_problems("queues: {a: {schema: ¦s/x.json}}\n", [message], "error")


@pytest.mark.parametrize("name", ["s/order.json", "t/orders.json", "orders.json", "s/Orders.JSON"])
def test_a_schema_whose_path_is_misspelt_is_reported_with_the_nearest_one(folder: Path, name: str) -> None:
    (folder / "s").mkdir()
    (folder / "s/orders.json").write_text("{}")
    message = f"queue a: schema {name} can't be read: No such file or directory (did you mean 's/orders.json'?)"
    check_problems(f"queues: {{a: {{schema: ¦{name}}}}}\n", [message], "error")


def test_a_schema_is_named_as_seen_from_the_working_directory(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep/p.yaml").write_text("queues: {a: {schema: x.json}}")
    with pytest.raises(ConfigError, match=r"\ndeep/p.yaml:1:22: queue a: schema deep/x.json can't be read: No such"):
        load(Path("deep/p.yaml"), environ={})


def test_a_misspelt_format_in_a_schema_is_doubtful(folder: Path) -> None:
    (folder / "x.json").write_text('{"properties": {"to": {"format": "e-mail"}}}')
    message = "queue a: schema x.json has the format 'e-mail' (did you mean 'email'?), which nothing checks"
    found = [problem for problem in problems_of("queues: {a: {schema: x.json}}\n") if "format" in problem.message]
    assert [(str(problem)) for problem in found] == [f"pipeline.yaml:1:22: warning: {message}"]


def test_a_misspelt_keyword_in_a_schema_or_a_when_is_doubtful(folder: Path) -> None:
    (folder / "x.json").write_text('{"requird": ["to"]}')
    text = WHEN.replace("a: {}", "a: {schema: x.json}", 1) % "{propertys: {x: {}}}"
    found = [problem.message for problem in problems_of(text) if "keyword" in problem.message]
    assert found == [
        "queue a: schema x.json has the keyword 'requird' (did you mean 'required'?), which nothing checks",
        "stage s: this 'when' has the keyword 'propertys' (did you mean 'properties'?), which nothing checks",
    ]


WHEN = f"queues: {{a: {{}}, b: {{}}}}\nstages: {{s: {{consume: a, handler: '{TAKE}', publish: [{{when: %s, to: b}}, {{to: b}}]}}}}\n"


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("{type: ¦strin}", "stage s: this 'when' is not a JSON Schema: /type is 'strin', which isn't allowed there (did you mean 'string'?)"),
        ("{properties: {x: {pattern: ¦(}}}", "stage s: this 'when' is not a JSON Schema: /properties/x/pattern is '(', which is not a regular expression"),
        ("¦{$ref: '#/$defs/x'}", "stage s: this 'when' refers to something that doesn't exist: Pointer '/$defs/x' does not exist"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_used_is_reported_at_the_part_that_is_to_blame(when: str, message: str) -> None:
    check_problems(WHEN % when, [message], "error")


def test_a_condition_may_refer_to_a_file(folder: Path) -> None:
    (folder / "late.json").write_text('{"required": ["late"]}')
    pipeline = loaded(WHEN % "{$ref: late.json}").pipeline
    assert pipeline.stages["s"].publish[0].when == {"$id": (folder / "pipeline.yaml").as_uri(), "$ref": "late.json"}


# -- handlers -----------------------------------------------------------------------------


def stage(settings: str, handler: str = "tests.config.handlers:Send") -> str:
    return f"{QUEUES}stages:\n  s:\n    consume: a\n    handler: {handler}\n    settings: {settings}\n"


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (stage("{server: x, ¦prot: 1}"), "stage s: Send has no setting 'prot' (did you mean 'port'?)"),
        (stage("{server: x, port: ¦a}"), "stage s: setting port is 'a', but must be a whole number"),
        (stage("{server: x, cards: [a, ¦{}]}"), "stage s: setting cards[1] is a mapping, but must be text"),
        (stage("{server: x, timeout: ¦0}"), "stage s: Send refuses its settings: timeout must be more than 0 seconds"),
        (stage("{}", "¦tests.config.handlers:Send"), "stage s: Send needs the setting 'server'"),
        (stage("{}", "¦tests.config.handlers:Snd"), "stage s: module tests.config.handlers has no 'Snd' (did you mean 'Send'?)"),
        (stage("{}", "¦tests.config.handler:Send"), "stage s: there is no module 'tests.config.handler' (did you mean 'tests.config.handlers'?)"),
        (stage("{}", "¦Send"), "stage s: handler 'Send' must be module:callable, such as stages.send_email:SendEmail"),
    ],
)  # fmt: skip
def test_a_handler_that_does_not_fit_is_reported_at_the_token_that_is_to_blame(marked: str, message: str) -> None:
    check_problems(marked, [message], "error")


def test_a_handler_that_cannot_be_built_is_reported_with_the_line_of_its_code() -> None:
    [problem] = [p for p in problems_of(stage("{server: nowhere}")) if p.severity == "error"]
    assert problem.column == len("    handler: ") + 1
    assert problem.message.startswith("stage s: Send refuses its settings: ")
    assert problem.message.endswith(r"OSError: no such \x1b[31mplace")
    assert "tests/config/handlers.py:" in problem.message


def test_a_missing_variable_is_not_a_wrong_setting_too() -> None:
    marked = f"{QUEUES}stages:\n  s:\n    consume: a\n    handler: tests.config.handlers:Send\n    settings:\n      server: x\n"
    marked += "      port: ¦${PORT}\n"
    check_problems(marked, ["the variable PORT isn't set; set it, or give a default: ${PORT:-...}"], "error")


def test_text_arrives_as_it_is_written(folder: Path) -> None:
    environ: Mapping[str, str] = {"PASSWORD": "0123456"}
    text = f"""{QUEUES}stages:
  s:
    consume: a
    handler: tests.config.handlers:Send
    settings:
      server: ${{SERVER:-}}
      password: ${{PASSWORD}}
      cards: [0123, 4111111111111111, 1.50, "x"]
      headers: {{X-Count: 007}}
      templates: letters
      anything: 007
"""
    assert loaded(text, environ).pipeline.stages["s"].settings == {
        "server": "",
        "password": "0123456",
        "cards": ["0123", "4111111111111111", "1.50", "x"],
        "headers": {"X-Count": "007"},
        "templates": folder / "letters",
        "anything": "007",
    }


def test_modules_beside_the_file_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "there").mkdir()
    (folder / "there/steps_of_a_user.py").write_text("def step(message):\n    return {'seen': message.body}\n")
    (folder / "there/p.yaml").write_text(f"{QUEUES}stages: {{s: {{consume: a, handler: 'steps_of_a_user:step'}}}}")
    handler = load(Path("there/p.yaml"), environ={}).handlers["s"].build()
    assert handler(Message("1", 5)) == {"seen": 5}
    load(Path("there/p.yaml"), environ={})
    assert sys.path[0] == str(folder / "there")
    assert sys.path.count(str(folder / "there")) == 1


def test_a_module_that_breaks_is_reported_with_the_line_that_broke(folder: Path) -> None:
    (folder / "broken_step.py").write_text("import json\n\nimport there_is_no_such_thing\n")
    marked = f"{QUEUES}stages: {{s: {{consume: a, handler: ¦broken_step:x}}}}\n"
    reason = "No module named 'there_is_no_such_thing'"
    check_problems(marked, [f"stage s: module broken_step can't be imported: broken_step.py:3: {reason}"], "error")


# -- values from files ----------------------------------------------------------------------


def test_settings_and_the_brokers_password_may_come_from_files(folder: Path) -> None:
    (folder / "password").write_text("0123\n")
    (folder / "rabbit").write_text("amqp://u:p@a/v\n")
    settings = "{server: x, password: '${file:password}', headers: {token: 'Bearer ${TOKEN}'}}"
    text = "broker: ${BROKER_URL:-embedded:b.db}\n" + stage(settings)
    found = loaded(text, {"BROKER_URL_FILE": "rabbit", "TOKEN_FILE": "password"})
    assert found.pipeline.broker == ("amqp://u:p@a/v",)
    settings_of = found.pipeline.stages["s"].settings
    assert (settings_of["password"], settings_of["headers"]) == ("0123", {"token": "Bearer 0123"})


SIGNED = """
http: {listen: "a:1", routes: {"POST /a": {publish: a, verify: {secrets: ["${S}"]}}}}
ledger: sqlite:ledger.db
alerts: {not_ready: 1m, webhook: {url: "http://a/", secret: "${S}"}}
"""


def test_secrets_of_signatures_may_come_from_files_and_no_message_repeats_one(folder: Path) -> None:
    (folder / "s").write_text("whsec_dGhpcyBpcyBub3QgYSBzZWNyZXQsIGJ1dCBzaG93bg==\n")
    found = loaded(QUEUES + SIGNED, {"S_FILE": "s"}).pipeline
    assert found.http is not None
    assert found.http.routes[0].verify is not None
    assert found.alerts is not None
    assert found.alerts.webhook is not None
    assert (
        found.http.routes[0].verify.secrets == (found.alerts.webhook.secret,) == (b"this is not a secret, but shown",)
    )
    (folder / "s").write_text("hunter2")
    problems = problems_of(QUEUES + SIGNED, {"S_FILE": "s"})
    assert [p.message for p in problems if p.severity == "error"] == [
        "route POST /a: verify.secrets[0] must be whsec_ and at least 24 bytes in base64",
        "alerts.webhook.secret must be whsec_ and at least 24 bytes in base64",
    ]
    assert "hunter2" not in str(problems)


@pytest.mark.parametrize(
    ("marked", "reason"),
    [
        ("name: ¦${V}\n" + QUEUES, "name"),
        ("http: {listen: ¦'a:${V}', routes: {}}\n" + QUEUES, "http.listen"),
        (stage("¦'${V}'"), "stage s: settings"),
        (
            f"{QUEUES}stages:\n  s: {{consume: a, handler: {TAKE}, publish: [{{when: {{type: ¦'${{V}}'}}, to: a}}]}}\n",
            "stage s: publish[0].when.type",
        ),
    ],
)
def test_a_value_from_a_file_stands_only_where_it_is_hidden(marked: str, reason: str, folder: Path) -> None:
    (folder / "v").write_text("hunter2")
    message = f"{reason} comes from a file, which makes it a secret, and it would be shown; only broker, ledger, settings and the secrets of signatures may come from one"
    check_problems(marked, [message], "error", {"V_FILE": "v"})


@pytest.mark.parametrize(
    ("settings", "handler", "message"),
    [
        ("{server: x, port: '${V}'}", "tests.config.handlers:Send", "setting port must be a whole number"),
        ("{server: x, cards: [{a: '${V}'}]}", "tests.config.handlers:Send", "setting cards[0] is a mapping, but must be text"),
        ("{gateway: '${V}'}", "tests.handlers.samples:Charge", "Charge refuses its settings: gateway '********' isn't known"),
    ],
)  # fmt: skip
def test_what_came_out_of_a_variable_is_in_no_message(settings: str, handler: str, message: str, folder: Path) -> None:
    (folder / "v").write_text("none")
    for environ in ({"V_FILE": "v"}, {"V": "none"}):
        found = problems_of(stage(settings, handler), environ)
        assert f"stage s: {message}" in [problem.message for problem in found]
        assert "none" not in str(found)


def test_a_default_may_be_in_a_message(folder: Path) -> None:
    found = problems_of(stage("{gateway: '${V:-none}'}", "tests.handlers.samples:Charge"), {})
    assert "gateway 'none' isn't known" in str(found)


# -- what a check costs -------------------------------------------------------------------


def test_a_check_imports_neither_a_broker_nor_a_server_nor_what_words_refusals() -> None:
    program = (
        "import sys; from pathlib import Path; from runner.config.loader import load; load(Path('pipeline.yaml'))\n"
        "print(*sorted({'flask', 'granian', 'jsonschema', 'pika', 'rich', 'urllib.request'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "\n"


# -- how much work it is --------------------------------------------------------------


def chain(count: int) -> str:
    stages = "".join(f"  s{n}: {{consume: q{n}, handler: '{TAKE}', publish: q{n + 1}}}\n" for n in range(count))
    return f"{queues(count + 1)}stages:\n{stages}"


def queues(count: int) -> str:
    return "queues:\n" + "".join(f"  q{n}: {{}}\n" for n in range(count))


LARGE: dict[str, Callable[[int], str]] = {
    "queues": queues,
    "companions": lambda count: queues(count).replace(": {}", ".retry.1s: {}"),
    "a schema": lambda count: queues(count).replace("{}", "{schema: s.json}"),
    "chain": chain,
    "ring": lambda count: chain(count - 1) + f"  last: {{consume: q{count - 1}, handler: '{TAKE}', publish: q0}}\n",
    "pairs": lambda count: queues(count) + "stages:\n" + "".join(
        f"  s{n}: {{consume: q{n}, handler: '{TAKE}', publish: q{n ^ 1}}}\n" for n in range(count)
    ),
    "undeclared": lambda count: chain(count).replace("publish: q", "publish: r"),
    "unknown keys": lambda count: "".join(f"queue{n}: 1\n" for n in range(count)),
    "unset variables": lambda count: queues(count).replace("{}", '{schema: "${X}"}'),
    "unknown aliases": lambda count: queues(count).replace("{}", "*x"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LARGE)
def test_the_work_grows_as_the_file_does(kind: str, folder: Path) -> None:
    """Ten thousand queues take seconds, then; counted in lines of Python, whose number is always the same."""
    (folder / "s.json").write_text('{"tytle": 1, "properties": {"a": {"format": "emial"}}}')
    lines(LARGE[kind](2))  # what is imported for the first time
    once, twice = lines(LARGE[kind](60)), lines(LARGE[kind](120))
    assert twice < 2.2 * once


def lines(text: str) -> int:
    """How many lines of Python are run while `text` is loaded."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        problems_of(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.usefixtures("any_schema")
def test_a_stage_that_reconciles_needs_a_handler_that_can_look_up() -> None:
    stage = "{consume: a, handler: tests.config.handlers:take, once: true, reconcile: true}"
    problems = problems_of(f"ledger: sqlite:l.db\nqueues: {{a: {{schema: any.json}}}}\nstages: {{s: {stage}}}\n")
    message = "stage s: reconcile asks the handler's look_up, and tests.config.handlers:take has no such method"
    assert message in [problem.message for problem in problems]


@pytest.mark.usefixtures("any_schema")
def test_reconcile_is_true_or_waits_and_needs_once() -> None:
    def waits(written: str) -> tuple[float, ...]:
        stage = f"{{consume: a, handler: tests.worker.test_reconcile:Bank, once: true, reconcile: {written}}}"
        text = f"ledger: sqlite:l.db\nqueues: {{a: {{schema: any.json}}}}\nstages: {{s: {stage}}}\n"
        return loaded(text).pipeline.stages["s"].reconcile

    assert waits("true") == (300.0, 3600.0, 86400.0)
    assert waits("[1m, 2h]") == (60.0, 7200.0)
    assert waits("false") == ()
