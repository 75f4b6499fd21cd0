"""What a run counts, while its processes and its broker come and go: on both brokers."""

from __future__ import annotations

import os
import signal
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.ports import free_port
from tests.system.conftest import Start
from tests.system.program import PIPELINE, Program
from tests.waiting import wait_until


class Scraped:
    """A program with a console, and its metrics."""

    def __init__(self, prepare: Start, *arguments: str) -> None:
        self._port = free_port()
        text = PIPELINE.replace("{publish: first}", "{publish: first, idempotency: optional}")
        more = f"console: {{listen: 127.0.0.1:{self._port}}}\nledger: sqlite:ledger.db\n"
        self.program: Program = prepare(text + more)
        self.program.start(*arguments)

    def value(self, metric: str, **labels: str) -> float:
        """The sum of all samples with these labels; -1.0: there is none, or no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except OSError:
            return -1.0
        values = [
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        ]
        return sum(values) if values else -1.0

    def handled(self, stage: str) -> float:
        return self.value("runner_stage_outcomes_total", stage=stage, outcome="handled")


@pytest.fixture
def scraped(prepare: Start) -> Scraped:
    return Scraped(prepare, "--processes", "2")


def test_the_counts_of_all_processes_are_in_one_answer_and_outlive_each(scraped: Scraped) -> None:
    program = scraped.program
    for n in range(20):
        assert program.post({"n": n}).status == 202
    wait_until(lambda: scraped.handled("two") == 20)
    wait_until(lambda: scraped.value("runner_requests_total", route="POST /work", status="202") == 20)
    wait_until(lambda: scraped.value("runner_stage_slots", stage="one") == 4)
    wait_until(lambda: scraped.value("runner_broker_processes", connected="yes") == 3)
    for pid in program.worker_pids():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: scraped.value("runner_process_starts_total") >= 5)
    assert scraped.handled("two") >= 20, "totals never go back; what wasn't acked in time is handled again"
    for n in range(20, 30):
        assert program.post({"n": n}).status == 202
    wait_until(lambda: scraped.handled("two") >= 30)
    wait_until(lambda: scraped.value("runner_broker_unconfirmed_messages") == 0)


def test_dead_letters_retries_and_repeated_requests_are_counted_where_they_are(scraped: Scraped) -> None:
    program = scraped.program
    assert program.post({"n": 1, "do": {"one": "reject"}}).status == 202
    assert program.post({"n": 2, "do": {"two": "fail_once"}}).status == 202
    wait_until(lambda: scraped.value("runner_queue_messages", queue="first", state="dead") == 1)
    wait_until(lambda: scraped.value("runner_stage_outcomes_total", stage="two", outcome="retried") == 1)
    wait_until(lambda: scraped.value("runner_queue_oldest_seconds", queue="first", state="dead") > 0)
    assert scraped.value("runner_queue_oldest_seconds", queue="second", state="dead") == 0
    for _ in range(3):
        assert program.post({"n": 3}, headers={"Idempotency-Key": "key-1"}).status == 202
    wait_until(lambda: scraped.value("runner_requests_repeated_total", route="POST /work") == 2)
    assert scraped.value("runner_requests_total", route="POST /work", status="202") == 3
    assert scraped.value("runner_ledger_transaction_seconds_count") > 0


def test_counts_go_on_through_a_reload(scraped: Scraped) -> None:
    program = scraped.program
    for n in range(5):
        assert program.post({"n": n}).status == 202
    wait_until(lambda: scraped.handled("two") == 5)
    text = (program.folder / "pipeline.yaml").read_text()
    (program.folder / "pipeline.yaml").write_text(text.replace("concurrency: 2", "concurrency: 3"))
    os.kill(program.pid, signal.SIGHUP)
    wait_until(lambda: scraped.value("runner_stage_slots", stage="one") == 6)
    wait_until(lambda: scraped.value("runner_process_starts_total", process="worker-1") == 2)
    for n in range(5, 10):
        assert program.post({"n": n}).status == 202
    wait_until(lambda: scraped.handled("two") == 10)
