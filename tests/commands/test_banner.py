"""What `runner run` prints once everything is up."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.commands import banner
from runner.config.loader import LoadedPipeline, load
from runner.pipeline import Address
from runner.processes.parts import parts_of
from tests.commands.prompt import PIPELINE, SCHEMA
from tests.pipelines import loaded

FIXED = PIPELINE.replace("127.0.0.1:0", "127.0.0.1:5000", 1)


def said(pipeline: LoadedPipeline, *only: str, processes: int = 1) -> list[str]:
    return list(banner.lines(pipeline, parts_of(pipeline.pipeline, only), processes=processes))


@pytest.fixture(autouse=True)
def called_as_a_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["/there/runner/__main__.py", "run"])
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")


def test_every_part_has_a_line_and_there_is_one_to_try(tmp_path: Path) -> None:
    schema = {**SCHEMA, "examples": [{"n": 1, "note": "it's fine"}]}
    body = """'{"n":1,"note":"it'"'"'s fine"}'"""
    assert said(loaded(tmp_path, FIXED, {"payment.json": schema}), processes=2) == [
        "  intake   POST http://localhost:5000/pay → payments",
        "  broker   embedded, broker.db (one machine)",
        "  mailbox  smtp://127.0.0.1:0 → mailbox (read it: python3 -m runner mail)",
        "  stages   take ×1, end ×1, in 2 processes",
        f"  try      curl -i http://localhost:5000/pay -H 'Content-Type: application/json' -d {body}",
        "  stop     Ctrl-C",
    ]


def test_whom_alerts_reach_is_shown_without_what_a_webhook_is_known_by(tmp_path: Path) -> None:
    mail = "mail: {to: [ops@example.com], settings: {server: x, port: 25, default_sender: r@example.com}}"
    alerts = f"    alerts: {{oldest: 1m, {mail}, webhook: {{url: 'https://hooks.example.com/T0/s3cr3t'}}}}\n"
    lines = said(loaded(tmp_path, f"{FIXED}\n{alerts}", {"payment.json": SCHEMA}))
    assert "  alerts   to ops@example.com, https://hooks.example.com" in lines


def test_the_first_line_says_how_long_the_start_took(tmp_path: Path) -> None:
    assert banner.heading(loaded(tmp_path, FIXED, {"payment.json": SCHEMA}), 0.44) == "test is up after 0.4 s"


def test_what_is_not_started_is_not_shown(tmp_path: Path) -> None:
    lines = said(loaded(tmp_path, FIXED, {"payment.json": SCHEMA}), "end")
    assert [line.split()[0] for line in lines] == ["broker", "stages", "stop"]
    assert "  stages   end ×1" in lines


def test_an_example_may_hold_a_number_of_any_size(tmp_path: Path) -> None:
    lines = said(loaded(tmp_path, FIXED, {"payment.json": {"examples": [{"n": 10**30}]}}))
    assert any(line.endswith(f"""-d '{{"n":{10**30}}}'""") for line in lines)


def test_without_an_example_an_empty_body_is_tried_with_the_routes_method(tmp_path: Path) -> None:
    lines = said(loaded(tmp_path, FIXED.replace("POST /pay", "PUT /pay"), {"payment.json": SCHEMA}))
    assert "  try      curl -i -X PUT http://localhost:5000/pay -H 'Content-Type: application/json' -d '{}'" in lines


def test_where_a_key_is_asked_for_the_request_to_try_has_a_place_for_it(tmp_path: Path) -> None:
    text = FIXED.replace("POST /pay: {", "POST /pay: {auth: api_key, ") + "    ledger: sqlite:l.db\n"
    lines = said(loaded(tmp_path, text, {"payment.json": SCHEMA}))
    assert any("/pay -H 'Authorization: Bearer KEY' -H 'Content-Type" in line for line in lines)


def test_a_broker_is_shown_without_its_password(tmp_path: Path) -> None:
    text = PIPELINE.replace("BROKER", "[amqp://user:hunter2@one/v, amqp://user:hunter2@two/v]")
    lines = said(loaded(tmp_path, text, {"payment.json": SCHEMA}))
    assert "  broker   amqp://user:********@one/v, amqp://user:********@two/v" in lines


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("${BROKER_URL:-embedded:b.db}", "; BROKER_URL=amqp://… for RabbitMQ"),
        ("${OURS}", "; OURS=amqp://… for RabbitMQ"),
        ("embedded:${FILE}  # or ${BROKER_URL}", ""),
    ],
)
def test_a_broker_that_the_environment_may_name_says_by_which_variable(written: str, hint: str, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(f"broker: {written}\nqueues: {{a: {{}}}}\n")
    pipeline = load(file, environ={"OURS": "embedded:b.db", "FILE": "b.db"})
    assert f"  broker   embedded, b.db (one machine{hint})" in said(pipeline)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:80"),
        ("0.0.0.0", "http://localhost:80"),
        ("::", "http://localhost:80"),
        ("10.0.0.7", "http://10.0.0.7:80"),
        ("fd00::7", "http://[fd00::7]:80"),
    ],
)
def test_an_address_is_shown_as_this_machine_reaches_it(host: str, url: str) -> None:
    assert banner.url(Address(host, 80)) == url


def test_the_mail_command_is_shown_as_this_one_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [str(tmp_path / ".venv/bin/runner"), "run"])
    lines = said(loaded(tmp_path, FIXED, {"payment.json": SCHEMA}))
    assert any("(read it: .venv/bin/runner mail)" in line for line in lines)
