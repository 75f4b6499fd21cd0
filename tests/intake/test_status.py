"""How a message stands, as its sender can ask."""

from __future__ import annotations

import re
import time

from runner.ledger.hops import HopKey
from tests.intake.remembering import Intake
from tests.intake.served import assert_problem
from tests.ledger.ledgers import published, record, settled
from tests.waiting import wait_until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_the_location_of_a_202_tells_that_it_is_accepted(intake: Intake) -> None:
    accepted = intake.post()
    answer = intake.get(accepted.headers["Location"])
    assert (answer.status, answer.mimetype) == (200, "application/json")
    document = answer.json
    assert TIME.fullmatch(document.pop("accepted_at"))
    assert TIME.fullmatch(document.pop("changed_at"))
    [stage] = document.pop("stages")
    assert document == {"id": accepted.json["id"], "status": "accepted", "recorded": {}}
    assert (stage["stage"], stage["queue"], stage["outcome"], stage["attempts"]) == ("take", "payments", "queued", 0)
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_each_copy_is_shown_and_one_that_no_stage_takes_is_passed_on(intake: Intake) -> None:
    document = intake.get(intake.post(path="/both").headers["Location"]).json
    assert sorted((stage["queue"], stage["stage"], stage["outcome"]) for stage in document["stages"]) == [
        ("audit", None, "passed on"),
        ("payments", "take", "queued"),
    ]


def test_one_that_waits_tells_why_and_until_when(intake: Intake) -> None:
    record(
        intake.ledger,
        settled(HopKey("m1", "payments"), "waiting", attempts=2, next_at=time.time() + 90, error="the bank is away"),
    )
    answer = intake.get("/payments/m1")
    assert 80 < int(answer.headers["Retry-After"]) <= 91
    document = answer.json
    assert document["status"] == "waiting"
    [stage] = document["stages"]
    assert (stage["outcome"], stage["attempts"], stage["error"]) == ("waiting", 2, "the bank is away")
    assert TIME.fullmatch(stage["next_attempt_at"])


def test_one_that_is_done_tells_what_was_recorded_and_is_not_asked_again(intake: Intake) -> None:
    records = settled(HopKey("m1", "payments"))
    records.recorded("m1", "payment", '"paid"', time.time())
    record(intake.ledger, records)
    answer = intake.get("/payments/m1")
    assert (answer.json["status"], answer.json["recorded"]) == ("done", {"payment": "paid"})
    assert "Retry-After" not in answer.headers


def test_a_copy_of_a_list_has_its_own_id(intake: Intake) -> None:
    record(intake.ledger, published(HopKey("m1.1", "orders")))
    [stage] = intake.get("/payments/m1").json["stages"]
    assert stage["id"] == "m1.1"


def test_what_has_not_changed_is_304_to_who_knows_it(intake: Intake) -> None:
    record(intake.ledger, published(HopKey("m1", "payments")))
    first = intake.get("/payments/m1")
    known = {"If-None-Match": first.headers["ETag"]}
    again = intake.get("/payments/m1", known)
    assert (again.status, again.text) == (304, "")
    assert again.headers["ETag"] == first.headers["ETag"]
    record(intake.ledger, settled(HopKey("m1", "payments")))
    changed = intake.get("/payments/m1", known)
    assert (changed.status, changed.json["status"]) == (200, "done")
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_what_was_never_accepted_is_404(intake: Intake) -> None:
    intake.post()
    for name in ("m2", "%00", "a%00b", "%FF", "%ED%B0%80", "x" * 5_000, "%27%20OR%201=1", "%25"):
        assert_problem(intake.get(f"/payments/{name}"), 404, "nothing is known of a message with this id")
    assert intake.get("/payments/").status == 404


def test_one_whose_request_was_refused_is_404(intake: Intake) -> None:
    refused = intake.post(body={"card": "1"})
    assert refused.status == 422
    assert "Location" not in refused.headers


def test_only_get_and_head_are_served(intake: Intake) -> None:
    location = intake.post().headers["Location"]
    assert intake.client.request("HEAD", location).status == 200
    assert intake.client.request("DELETE", location).status == 405


def test_while_the_ledger_is_away_it_is_503(intake: Intake) -> None:
    location = intake.post().headers["Location"]
    intake.ledger._database.close()
    with intake.ledger._database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE hop RENAME TO hidden")
    answer = intake.get(location)
    assert_problem(answer, 503, "how it stands can't be told now")
    assert answer.headers["Retry-After"]
    with intake.ledger._database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE hidden RENAME TO hop")
    wait_until(lambda: intake.get(location).status == 200)
