"""How the program logs: one calm line per event, to stderr, as text or as JSON.

A line is a sentence. What it says as facts (`wording.facts`), JSON has as fields, too. Card numbers and
payers' addresses are masked here, as the last step, whatever code logs.
"""

from __future__ import annotations

import io
import logging
import select
import sys
import threading
import time
from typing import TextIO

import orjson

from runner.observability.streams import PATIENCE
from runner.privacy.masking import mask
from runner.wording import encodable, facts

_PORTION = 1000
"""Characters; in UTF-8 they fit into what a pipe takes at once (PIPE_BUF)."""
TRACEBACK = "traceback"
"""The fact that a text has below its line."""


class TextFormatter(logging.Formatter):
    """`12:00:01 worker  warning  …`; the level INFO is left out."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = "\n".join([f"{self._part:<8} {level}{_message(record)}", *_traces(self, record)])
        return f"{clock} {encodable(mask(text))}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for log collectors."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        known = getattr(record, "facts", None)
        if not isinstance(known, dict):  # a library's own attribute of that name
            known = {}
        message = _message(record)
        if trace := known.get(TRACEBACK):
            message = message.removesuffix(f"\n{trace}")
        first = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "part": self._part,
            "logger": encodable(mask(record.name)),
            "message": encodable(mask(message)),
        }
        traces = _traces(self, record)
        more = {TRACEBACK: encodable(mask("\n".join(traces)))} if traces else {}
        shown = {name: _shown(value) for name, value in known.items() if name not in first}
        return orjson.dumps({**first, **shown, **more}).decode()


def _shown(value: object) -> object:
    """A fact as JSON may hold it. Numbers that we count are no card numbers; texts may be anything."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return encodable(mask(str(value)))


def _message(record: logging.LogRecord) -> str:
    """Works for wrong arguments too: `logging` would write those to stderr, unmasked."""
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - the arguments may be of any kind, and raise anything
        return f"{record.msg} {record.args!r} (the message can't be formatted: {error})"


def _traces(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """What belongs below the line of `record`: the tracebacks of its error and of the logging call."""
    error = [formatter.formatException(record.exc_info)] if record.exc_info else []
    return [*error, formatter.formatStack(record.stack_info)] if record.stack_info else error


FORMATS = {"text": TextFormatter, "json": JsonFormatter}


class PatientHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream, as long as somebody reads it: a full pipe must not stop who logs.

    It waits for PATIENCE once. Lines that nobody takes then are lost, and the next that is taken tells how many.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lost = 0
        self._is_cut = False
        """Whether the last line was written in part."""
        self._awaited: select.poll | None = None
        try:
            awaited = select.poll()
            awaited.register(stream.fileno(), select.POLLOUT)
            self._awaited = awaited
        except (io.UnsupportedOperation, ValueError):  # it is in memory
            pass

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + self.terminator
            if self._lost and self._takes():
                text = (self.terminator if self._is_cut else "") + self._told() + text
            for start in range(0, len(text), _PORTION):
                if not self._takes():
                    self._lost += 1
                    self._is_cut = self._is_cut or start > 0
                    return
                self.stream.write(text[start : start + _PORTION])
                self.stream.flush()
            self._lost, self._is_cut = 0, False
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)

    def _told(self) -> str:
        message = "lines of the log are lost, for nobody has read them: %d"
        told = logging.LogRecord("runner", logging.WARNING, __file__, 0, message, (self._lost,), None)
        return self.format(told) + self.terminator

    def _takes(self) -> bool:
        """Whether a portion can be written without waiting for a reader."""
        return self._awaited is None or bool(self._awaited.poll(0 if self._lost else PATIENCE * 1000))


def configure(part: str, *, level: str = "info", form: str = "text") -> None:
    """Log everything of this process to stderr; each line names the `part` of the program.

    Libraries log only from `warning` up, and pika not at all: it logs each lost connection
    five times, and we log it once. A user's own handlers log as they like.
    """
    handler = PatientHandler(sys.stderr)
    handler.setFormatter(FORMATS[form](part))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in ("asyncio", "mail", "urllib3", "werkzeug"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    threading.excepthook = _log_failure
    sys.unraisablehook = _log_unraisable
    logging.captureWarnings(capture=True)  # Python would write them to stderr, unmasked


def _log_failure(failed: threading.ExceptHookArgs) -> None:
    """Of a thread that a handler has started, say: Python would write it to stderr, unmasked."""
    if failed.exc_type is SystemExit or failed.exc_value is None:
        return
    name = failed.thread.name if failed.thread else "?"
    told = facts(thread=name, error=failed.exc_type.__name__)
    logging.getLogger("runner").error("the thread %s has failed", name, exc_info=failed.exc_value, extra=told)


def _log_unraisable(failed: sys.UnraisableHookArgs) -> None:
    """Of what nobody can catch, such as an object's `__del__`; as above."""
    if failed.exc_value is not None:
        where = getattr(failed.object, "__qualname__", type(failed.object).__name__)
        told = facts(error=type(failed.exc_value).__name__)
        what = "%s has failed, and nobody could be told"
        logging.getLogger("runner").error(what, where, exc_info=failed.exc_value, extra=told)
