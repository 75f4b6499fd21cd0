"""How the program logs, read as an operator or a log collector does."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.observability import logs
from tests.waiting import TIMEOUT

RUNNER = Path(logs.__file__).parents[1]
LEVELS = ("debug", "info", "warning", "error", "exception", "log")

PROGRAM = """
import logging
from runner.observability import logs
logs.configure("worker", level=LEVEL, form=FORM)
log = logging.getLogger("some.module")
log.debug("detail")
log.info("all is %s", "well")
log.warning("careful")
logging.getLogger("pika").error("noise")
logging.getLogger("werkzeug").info("noise")
logging.getLogger("urllib3.connectionpool").debug("noise")
try:
    raise ValueError("broken")
except ValueError:
    log.exception("it failed")
"""


PRIVATE = """
import logging, os, threading, warnings
from runner import wording
from runner.observability import logs
logs.configure("worker", level=LEVEL, form=FORM)
log = logging.getLogger("shop")
CARD, PAYER = "4111/1111/1111/1111", "jane@example.com"
log.info("charged %s of %s", list(CARD), PAYER)
log.info("%d", CARD)
log.warning("seen", stack_info=True)
logging.getLogger("somebody.else").error("%s\\n%s", CARD[:8], CARD[8:])
try:
    raise ValueError(f"no {CARD}") from KeyError(PAYER)
except ValueError:
    log.exception("it failed")
known = wording.facts(id="m1", attempt=2, told=[CARD], to=PAYER, traceback=f"no {CARD}", nothing=None, level="mine")
log.error("%s failed\\n%s", "m1", f"no {CARD}", extra=known)
log.error("a library's own", extra={"facts": 5})
thread = threading.Thread(target=lambda: 1 / int("no" + CARD), name="own")
thread.start()
thread.join()
warnings.warn(f"what is {CARD}?")
class Closing:
    def __del__(self):
        raise ValueError(f"can't close {CARD}")
Closing()
log.warning("imported %s", os.fsdecode(b"caf\\xe9.csv"))
"""


def said(form: str, level: str = "info", program: str = PROGRAM) -> str:
    source = program.replace("LEVEL", repr(level)).replace("FORM", repr(form))
    result = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert result.stdout == "", "what is logged goes to stderr"
    return result.stderr


def test_text_is_one_calm_line_an_event() -> None:
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in said("text").splitlines()]
    assert lines[:3] == ["worker   all is well", "worker   warning: careful", "worker   error: it failed"]
    assert lines[3] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: broken"


def test_json_is_one_object_a_line() -> None:
    first, second, third = map(json.loads, said("json").splitlines())
    assert {key: first[key] for key in ("level", "part", "logger", "message")} == {
        "level": "info",
        "part": "worker",
        "logger": "some.module",
        "message": "all is well",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert (second["level"], third["level"]) == ("warning", "error")
    assert "ValueError: broken" in third["traceback"]


def test_the_level_can_be_chosen() -> None:
    detailed = said("text", "debug")
    assert "detail" in detailed
    assert "noise" not in detailed, "libraries tell no details"
    assert "all is well" not in said("text", "warning")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_shows_a_card_number_or_a_payer(form: str) -> None:
    text = said(form, program=PRIVATE)
    assert not re.search(r"1111\D{0,8}1111", text)
    assert "jane" not in text
    assert text.count("j•••@example.com") == (3 if form == "json" else 2)
    told = "the list, the argument, the two lines, the error, the traceback, the thread, the warning, __del__, a fact"
    assert text.count("••••1111") == (9 if form == "json" else 8), told


def test_in_json_what_a_line_says_is_in_fields_too() -> None:
    [line] = [json.loads(line) for line in said("json", program=PRIVATE).splitlines() if '"attempt"' in line]
    time, *_ = line
    assert time == "time", "the fields of every line come first"
    assert (line["message"], line["level"]) == ("m1 failed", "error"), "without the traceback, and not the fact's"
    assert (line["id"], line["attempt"], line["told"]) == ("m1", 2, ["•••• 1111".replace(" ", "")])
    assert line["traceback"] == "no ••••1111"
    assert "nothing" not in line


def test_in_text_a_traceback_stands_below_its_line() -> None:
    assert "error: m1 failed\nno ••••1111\n" in said("text", program=PRIVATE)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_with_half_a_pair_of_surrogates_is_logged(form: str) -> None:
    last = said(form, program=PRIVATE).splitlines()[-1]
    message = json.loads(last)["message"] if form == "json" else last
    assert message.endswith(r"imported caf\udce9.csv")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_that_nobody_reads_holds_up_nobody_and_says_later_what_is_lost(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PATIENCE", 0.01)
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as reader, os.fdopen(write, "w", encoding="utf-8") as stream:
        handler = logs.PatientHandler(stream)
        handler.setFormatter(logs.FORMATS[form]("worker"))

        def log(*texts: str) -> None:
            for text in texts:
                handler.emit(logging.LogRecord("shop", logging.INFO, "", 0, text, (), None))

        filling = threading.Thread(target=log, args=["é" * 10_000] * 100, daemon=True)
        filling.start()
        filling.join(TIMEOUT)
        assert not filling.is_alive()
        os.set_blocking(read, False)
        taken = reader.read(1 << 20).count("\n")
        log("here again")
        lines = reader.read(1 << 20).strip().splitlines()
    assert f"nobody has read them: {100 - taken}" in lines[0]
    assert "here again" in lines[1]
    if form == "json":
        assert [json.loads(line)["level"] for line in lines] == ["warning", "info"]


def calls_of_logs(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=level) as called) if level in LEVELS:
                if ast.unparse(called).startswith(("log", "_")):
                    yield node


def test_what_a_line_says_beside_its_words_has_fields_whoever_logs_it() -> None:
    """All lines of the runner's code whose text has gaps to fill; but not those of what `runner new` writes."""
    without = [
        f"{path.relative_to(RUNNER)}:{call.lineno}"
        for path in sorted(RUNNER.rglob("*.py"))
        if "starter" not in path.parts
        for call in calls_of_logs(ast.parse(path.read_text(encoding="utf-8")))
        if len(call.args) > 1 and not any(word.arg == "extra" for word in call.keywords)
    ]
    assert without == []
