"""What is sealed is nowhere: card numbers of every fate, and then every file is searched for them."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.ports import free_port
from tests.brokers.places import EmbeddedPlace, Place, RabbitPlace
from tests.system.conftest import Start
from tests.system.program import ROOT, Program
from tests.waiting import wait_until

FATES = {"paid": 90, "retry": 20, "crash": 20, "chain": 10, "reject": 20, "tell": 10, "stray": 10, "die": 1}
"""How many cards meet each: payments that end well, or that a careless handler spoils."""
DEAD = ("crash", "chain", "reject", "tell")
DECLINED, FAILING = "4000000000000002", "4000000000000119"
REFUSED, FORBIDDEN, BROKEN, REPEATED = 30, 20, 20, 10


def shipped(mail_port: int, ledger: str) -> str:
    """The shipped pipeline, with a careless stage before the others."""
    document = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    document |= {"broker": "BROKER", "ledger": ledger, "keys": "file:var/keys"}
    document["http"]["listen"] = "127.0.0.1:PORT"
    document["mailbox"]["listen"] = f"127.0.0.1:{mail_port}"
    document["queues"]["checked_queue"] = {"schema": "schemas/payment.json"}
    stages = document["stages"]
    stages["validate_payment"]["consume"] = "checked_queue"
    stages["send_email"]["settings"]["port"] = mail_port
    stages["process_payment"]["retry"] = {"attempts": 2, "delay": "50ms"}
    stages["careless"] = {
        "consume": "payment_queue",
        "handler": "tests.system.handlers:Careless",
        "reveal": ["cardNo"],
        "publish": "checked_queue",
        "retry": {"attempts": 2, "delay": "50ms"},
    }
    return yaml.safe_dump(document)


@pytest.fixture
def payments(prepare: Start, ledger_url: str) -> Program:
    """The shipped pipeline, not started, in a folder without a pipeline of its own."""
    program = prepare(shipped(free_port(), ledger_url))
    shutil.copytree(ROOT / "schemas", program.folder / "schemas")
    return program


class Cards:
    """Numbers that nobody has used before, of no brand: what has a wrong check digit looks like a
    card number to nobody, and only a search for the number itself finds it."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.numbers: list[str] = []

    def new(self, *, right: bool = True) -> str:
        digits = "9" + "".join(self._chance.choices("0123456789", k=14))
        total = sum(int(d) if place % 2 else sum(divmod(2 * int(d), 10)) for place, d in enumerate(digits))
        number = digits + str((-total + (0 if right else 5)) % 10)
        self.numbers.append(number)
        return number


def payment(number: str, **more: Any) -> dict[str, Any]:
    return {"user": "payer@example.com", "paymentType": "Credit Card", "cardNo": number, **more}


_RUN = re.compile(rb"[0-9](?:[ ._-]?[0-9]){15,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}")


def runs(data: bytes) -> set[str]:
    """Every 16 digits in a row, forwards and backwards, spaced or not, and in base64."""
    texts = [data]
    for run in _BASE64.findall(data.translate(bytes.maketrans(b"-_", b"+/"))):
        for start in range(4):
            part = run[start:]
            part = part[:-1] if len(part) % 4 == 1 else part
            texts.append(b64decode(part + b"=" * (-len(part) % 4)))
    found = set()
    for text in texts:
        for run in _RUN.findall(text):
            digits = re.sub(rb"[^0-9]", b"", run).decode()
            found |= {digits[place : place + 16] for place in range(len(digits) - 15)}
    return found | {digits[::-1] for digits in found}


def found(where: dict[str, bytes], numbers: Sequence[str]) -> list[tuple[str, str]]:
    """The numbers that stand somewhere, in whatever form."""
    return [(name, number) for name, data in where.items() for number in sorted(runs(data) & set(numbers))]


@pytest.mark.parametrize(
    "text",
    [
        b"card=9123456789012347;",
        b"x7432109876543219y",
        b"9123 4567 8901 2347",
        b"9-1-2-3-4567-8901-2347",
        b"a" + b64encode(b"9123456789012347"),
        b'{"a": "' + b64encode(b"xy9123456789012347 z") + b'"}',
    ],
)
def test_the_search_finds_a_number_in_any_form(text: bytes) -> None:
    assert found({"here": b"12345 " + text, "there": b"9123456789012346"}, ["9123456789012347"]) == [
        ("here", "9123456789012347")
    ]


def files(*folders: Path, since: float = 0.0) -> dict[str, bytes]:
    """What is in each file that was written to since then; one that goes while they are read isn't at rest."""
    read = {}
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime >= since:
                read[str(path)] = path.read_bytes()
    return read


def on_the_broker(program: Program) -> dict[str, bytes]:
    """What lies on its queues once all is settled: the dead letters, with their headers."""
    place: Place = RabbitPlace(program.broker)
    if program.broker.startswith("embedded:"):
        place = EmbeddedPlace(Path(program.broker.removeprefix("embedded:")))
    queues = yaml.safe_load((program.folder / "pipeline.yaml").read_text())["queues"]
    return {
        f"{name}.dlq {number}": b"\n".join([message.id.encode(), message.payload, repr(message.headers).encode()])
        for name in queues
        for number, message in enumerate(place.contents(f"{name}.dlq"))
    }


Post = tuple[dict[str, Any], int, dict[str, str]]
"""A body, the status that it is answered with, and headers."""


def posts(cards: Cards) -> Iterator[Post]:
    """Payments of every fate."""
    for fate, count in FATES.items():
        for _ in range(count):
            more = {} if fate == "paid" else {"reference": fate}
            yield payment(cards.new(right=fate in ("paid", "die")), **more), 202, {}
    yield from ((payment(cards.new(right=False)), 202, {}) for _ in range(REFUSED))
    for name in ("cvv", "CVC", "card_cvv2", "securityCode") * (FORBIDDEN // 4):
        yield payment(cards.new(), **{name: cards.new()}), 422, {}
    for name in ("cardno", "reference", "amount", "user") * (BROKEN // 4):
        yield payment(cards.new()) | {name: cards.new()}, 422, {}
    for number in range(REPEATED):
        yield from [(payment(cards.new()), 202, {"Idempotency-Key": f'"key-{number}"'})] * 2
    yield from ((payment(card), 202, {}) for card in (DECLINED, FAILING))


def pay_in_every_way(program: Program, cards: Cards) -> list[str]:
    """The answers, and what the status then says of the payments."""
    answers = []
    for body, status, headers in posts(cards):
        answer = program.post(body, "/make-payment", headers)
        assert answer.status == status, answer
        answers.append(f"{answer.headers} {answer.body}")
        if status == 202:
            answers.append(str(program.request("GET", answer.headers["Location"]).body))
    return answers


def operate(program: Program, dead: int) -> list[str]:
    """Look at the dead letters in every way, and replay them: all fail again, and then some go on behind
    the stage that spoils them. What the commands print; an export lies in a file."""

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "runner", "dead", *words]
        done = subprocess.run(
            command, cwd=program.folder, env=program.environment(), check=True, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    shown = [run("list"), run("list", "--format", "json"), run("replay", "--all", "--dry-run")]
    exported = run("export")
    (program.folder / "export.jsonl").write_text(exported)
    assert len(exported.splitlines()) == dead
    shown += [run("show", one) for one in re.findall(r'"id": ?"(\w+)"', exported)[:: dead // 5]]
    shown.append(run("replay", "--all", "--reason", "seen again"))
    program.wait_settled(dead)
    shown.append(run("replay", "--error", "no such card", "--to", "checked_queue", "--reason", "they are fine"))
    program.wait_settled(dead - FATES["crash"])
    shown.append(run("drop", "--error", "is not for us", "--reason", "nobody wants them"))
    program.wait_settled(dead - FATES["crash"] - FATES["reject"])
    return shown


@pytest.mark.parametrize(
    ("broker_url", "ledger_url"), [("embedded", "sqlite"), ("rabbitmq", "postgresql")], indirect=True
)
def test_a_card_number_is_nowhere_whatever_becomes_of_its_payment(
    payments: Program, ledger_url: str, request: pytest.FixtureRequest
) -> None:
    began = time.time() - 1.0  # what other tests have left on a node is none of ours
    payments.start("--log-level", "debug")
    cards = Cards(20261126)
    answers = pay_in_every_way(payments, cards)
    dead = sum(FATES[fate] for fate in DEAD) + 1
    payments.wait_settled(dead)
    answers += operate(payments, dead)
    mails = FATES["crash"] + FATES["paid"] + FATES["retry"] + FATES["stray"] + FATES["die"] + REFUSED + REPEATED + 1
    wait_until(lambda: len(list((payments.folder / "var/mailbox/new").iterdir())) >= mails)
    folders, ledger = [payments.folder.parent], "ledger.db"  # the program's, and the files of SQLite beside it
    if not payments.broker.startswith("embedded:"):
        folders.append(request.getfixturevalue("rabbit_node").folder)
    if not ledger_url.startswith("sqlite:"):
        folders.append(request.getfixturevalue("postgres_node").folder)
        ledger = str(folders[-1])
    running = files(payments.folder.parent)
    payments.stop()

    everywhere = {
        "answers": "\n".join(answers).encode(),
        **{f"{name} (running)": data for name, data in running.items()},
        **files(*folders, since=began),
        **on_the_broker(payments),
    }
    assert len(cards.numbers) >= 300
    assert found(everywhere, cards.numbers) == []
    others = [] if payments.broker.startswith("embedded:") else [str(request.getfixturevalue("rabbit_node").folder)]
    alone = {name: data for name, data in everywhere.items() if not name.startswith(tuple(others))}
    assert found(alone, [DECLINED, FAILING]) == [], "which other tests use too, in the clear, on the same node"
    [paid, *_] = re.findall(r"/payments/(\w+)", answers[0])
    assert any(ledger in name and paid.encode() in data for name, data in everywhere.items()), "it was searched, too"
    deeds = everywhere[str(payments.folder / "var/audit.jsonl")].splitlines()
    assert len(deeds) == dead + FATES["crash"] + FATES["reject"]
    log = everywhere[str(payments.folder / "log")]
    assert b"ValueError: no such card: " in log
    assert b"sealed.1." in b"".join(everywhere.values())
