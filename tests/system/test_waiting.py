"""A stop answers every request that waits for the end of its message: none hangs, and none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.system.conftest import Start
from tests.system.program import PIPELINE
from tests.waiting import wait_until

WAITING = PIPELINE.replace("{publish: first}", '{publish: first, status: "/jobs/{id}", idempotency: optional}').replace(
    "shutdown_timeout: 10s", "shutdown_timeout: 10s\nledger: sqlite:ledger.db"
)
REQUESTS = 20


def test_a_stop_answers_202_to_whoever_waits_and_the_messages_are_handled_later(prepare: Start) -> None:
    program = prepare(WAITING)
    program.start("--only", "intake")
    with ThreadPoolExecutor(REQUESTS) as pool:
        asked = [pool.submit(program.post, {"n": n}, headers={"Prefer": "wait=30"}) for n in range(REQUESTS)]
        wait_until(lambda: program.depths()["first"].ready == REQUESTS)
        assert program.stop() == 0, program.log
        answers = [one.result() for one in asked]
    assert {answer.status for answer in answers} == {202}
    assert all(answer.headers["Location"] == f"/jobs/{answer.body['id']}" for answer in answers)
    assert "Traceback" not in program.log

    program.start()
    program.wait_done(range(REQUESTS))
    statuses = {answer.headers["Location"] for answer in answers}
    wait_until(lambda: {program.request("GET", where).body["status"] for where in statuses} == {"done"})
