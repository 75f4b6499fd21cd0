"""The embedded broker's URLs, `embedded:PATH`: checked without opening the file, and shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.paths import check_path

EMBEDDED = "embedded:"
EXAMPLES = ("embedded:PATH",)
TAKES_BACK_AFTER = None
_LONGEST_SUFFIX = "-journal"
"""Of the files that SQLite keeps beside the database: the longest name has to fit, too."""
ALONE = "an embedded broker is one file on one machine, and can't be one of several; name it alone"


def parse(text: str, folder: Path) -> tuple[str, ...]:
    """The one URL that `text` stands for, with an absolute path; a relative one starts at `folder`.

    Raises ValueError with a sentence for the user, whose subject is the URL.
    """
    path = text.removeprefix(EMBEDDED)
    if not path or path.startswith("//"):
        raise ValueError("needs a path after 'embedded:', such as embedded:var/broker.db")
    database = folder / path
    check_path(database, "file")
    check_path(Path(f"{database}{_LONGEST_SUFFIX}"), "file")
    return (f"{EMBEDDED}{database}",)


def path_of(url: str) -> Path:
    """The file that a URL names."""
    return Path(url.removeprefix(EMBEDDED))


def shown(url: str, folder: Path) -> str:
    """The URL, with a path below `folder` relative to it."""
    return f"{EMBEDDED}{_near(path_of(url), folder)}"


def described(urls: Sequence[str], *, variable: str | None) -> str:
    """What `runner run` prints about the broker; the environment variable `variable` can name another one."""
    outgrown = f"; {variable}=amqp://… for RabbitMQ" if variable else ""
    return f"embedded, {_near(path_of(urls[0]), Path.cwd())} (one machine{outgrown})"


def _near(path: Path, folder: Path) -> Path:
    return path.relative_to(folder) if path.is_relative_to(folder) else path
