"""The commands, as they are typed: what they print and how they end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runner.cli import main
from tests.brokers.places import EmbeddedPlace
from tests.pipelines import write

ROOT = Path(__file__).parents[1]
PIPELINE = """
    name: test
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      routes:
        POST /pay: {publish: payments}
    mailbox: {listen: "127.0.0.1:0", folder: mailbox}
    queues:
      payments: {schema: payment.json, max_length: 3}
      free: {}
    stages:
      take: {consume: payments, handler: "tests.test_cli:take", publish: free}
      end: {consume: free, handler: "tests.test_cli:take"}
"""
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def take(message: object) -> None: ...


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, PIPELINE, {"payment.json": SCHEMA})


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def lines(text: str) -> Sequence[str]:
    return text.strip().splitlines()


# -- check and show -------------------------------------------------------------------------


def test_check_says_that_a_good_file_is_fine(file: Path) -> None:
    result = run("check", file)
    assert (result.exit_code, result.output) == (0, f"{file}: fine (2 stages, 2 queues)\n")


def test_check_tells_every_problem_with_its_place_and_ends_with_1(file: Path) -> None:
    file.write_text(file.read_text().replace("publish: payments", "publish: paymets").replace("mailbox:", "mailbxo:"))
    result = run("check", file)
    assert result.exit_code == 1
    first, second, *_ = lines(result.stderr)
    assert first.startswith(f"{file}:7:26: ")
    assert "did you mean 'payments'?" in first
    assert second.startswith(f"{file}:8:1: ")
    assert "did you mean 'mailbox'?" in second


def test_check_names_a_secrets_file_that_cannot_be_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(file.read_text().replace(f"embedded:{file.parent / 'broker.db'}", "${BROKER_URL}"))
    monkeypatch.setenv("BROKER_URL_FILE", "rabbit")
    advice = "name a file that the runner's user may read"
    missing = f"BROKER_URL_FILE names 'rabbit', which can't be read: No such file or directory; {advice}"
    assert lines(run("check", file).stderr)[0] == f"{file}:3:9: {missing}"
    (file.parent / "rabbit").write_text("amqp://user:hunter2@rabbit/v\n")
    assert run("check", file).exit_code == 0
    assert "\nbroker: amqp://user:********@rabbit/v\n" in run("show", file).output
    monkeypatch.setenv("BROKER_URL", "amqp://user:hunter3@rabbit/v")
    both = "BROKER_URL and BROKER_URL_FILE are both set; unset one of them"
    assert lines(run("check", file).stderr)[0] == f"{file}:3:9: {both}"


def test_check_speaks_json_to_machines(file: Path) -> None:
    assert json.loads(run("check", "--format", "json", file).stdout) == {"ok": True, "problems": []}
    file.write_text(file.read_text().replace("name: test", "nme: test"))
    result = run("check", "--format", "json", file)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    problem = document["problems"][0]
    assert (problem["file"], problem["line"], problem["column"], problem["severity"]) == (str(file), 2, 1, "error")


def test_warnings_are_shown_and_only_strict_counts_them(file: Path) -> None:
    file.write_text(file.read_text().replace("{schema: payment.json, max_length: 3}", "{}"))
    lenient, strict = run("check", file), run("check", "--strict", file)
    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert "warning: " in lenient.stderr
    assert "warning: " in strict.stderr


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for command in ("check", "run", "show", "status"):
        result = run(command, tmp_path / "nope.yaml")
        assert result.exit_code == 1
        assert len(lines(result.stderr)) == 1
        assert "nope.yaml" in result.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["check", "--nonsense"], ["run", "--processes", "0"], ["send"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_part_that_is_not_there_ends_with_2_and_the_nearest_name(file: Path) -> None:
    result = run("run", file, "--only", "tak")
    assert result.exit_code == 2
    assert "did you mean 'take'?" in result.stderr


def test_show_prints_the_file_the_graph_and_mermaid(file: Path) -> None:
    assert "attempts: 5" in run("show", file).output
    assert "POST /pay" in run("show", "--graph", file).output
    assert run("show", "--mermaid", file).output.startswith("flowchart")


# -- send ---------------------------------------------------------------------------------------


def stored(file: Path, queue: str) -> list[object]:
    return [json.loads(m.payload) for m in EmbeddedPlace(file.parent / "broker.db").contents(queue)]


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
        "line 4: no JSON: invalid literal, expected 'null': line 1 column 1 (char 0)",
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


def test_send_names_the_nearest_target(file: Path) -> None:
    result = run("send", "-p", file, "payment", stdin=b"{}")
    assert result.exit_code == 1
    assert "there is no queue and no route 'payment' (did you mean 'payments'?)" in result.stderr


def test_sending_nothing_is_fine(file: Path) -> None:
    assert run("send", "-p", file, "payments", stdin=b"").stdout == "0 messages confirmed on payments\n"


# -- status, mail, new ------------------------------------------------------------------------------


def test_status_counts_what_is_on_the_queues(file: Path) -> None:
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n{"n": 2}\n')
    heading, first, second = lines(run("status", file).stdout)
    assert heading.split() == ["queue", "ready", "in", "hand", "delayed", "dead", "consumed", "by"]
    assert first.split()[:5] == ["payments", "2", "0", "0", "0"]
    assert "take: no consumer" in first
    assert second.split()[:5] == ["free", "0", "0", "0", "0"]
    document = json.loads(run("status", "--format", "json", file).stdout)
    assert document["payments"] == {"ready": 2, "in_hand": 0, "delayed": 0, "dead": 0, "consumers": 0}


def test_status_before_the_first_run_says_so_and_makes_nothing(file: Path) -> None:
    result = run("status", file)
    assert result.exit_code == 1
    assert "not there yet; it is made by the first run of the pipeline" in result.stderr
    assert not (file.parent / "broker.db").exists()


def test_mail_says_that_an_empty_mailbox_is_empty(file: Path) -> None:
    result = run("mail", "-p", file)
    assert result.exit_code == 0
    assert "mailbox" in result.output


def test_mail_without_a_mailbox_section_says_so(file: Path) -> None:
    file.write_text(file.read_text().replace('mailbox: {listen: "127.0.0.1:0", folder: mailbox}\n', ""))
    result = run("mail", "-p", file)
    assert result.exit_code == 1
    assert "has no mailbox section" in result.stderr


def test_the_version_is_told() -> None:
    assert run("--version").output.strip().count(".") == 2
