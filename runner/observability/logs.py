"""How the program logs: one calm line an event, to stderr, as text or as JSON."""

from __future__ import annotations

import logging
import sys
import time

import orjson

from runner.privacy.masking import mask


class TextFormatter(logging.Formatter):
    """`12:00:01 worker  warning  …`; the level is left out where it is information."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        trace = f"\n{mask(self.formatException(record.exc_info))}" if record.exc_info else ""
        return f"{clock} {self._part:<8} {level}{record.getMessage()}{trace}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for log collectors."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "part": self._part,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = mask(self.formatException(record.exc_info))
        return orjson.dumps(document).decode()


FORMATS = {"text": TextFormatter, "json": JsonFormatter}


def configure(part: str, *, level: str = "info", form: str = "text") -> None:
    """Log everything of this process to stderr; `part` (of the program) stands in each line.

    Libraries only speak from `warning` on, and pika not at all: it logs each lost
    connection five times over, and we say it once. A user's own handlers are heard.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[form](part))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in ("asyncio", "mail", "werkzeug"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("pika").setLevel(logging.CRITICAL)
