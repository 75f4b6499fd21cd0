"""Which database a URL names, and how it is shown."""

from __future__ import annotations

from pathlib import Path

from runner.paths import check_path
from runner.privacy.redaction import hide_password

SQLITE = "sqlite:"
POSTGRESQL = ("postgresql://", "postgres://")


def parse(text: str, folder: Path) -> str:
    """The URL `text`, complete without `folder`, where relative paths start. Opens no connection.
    Raises ValueError with a predicate for the user, such as "needs a path"."""
    if text.startswith(SQLITE):
        name = text.removeprefix(SQLITE)
        if name.startswith("//"):
            raise ValueError(f"has slashes before its path; write {SQLITE}var/ledger.db or {SQLITE}/srv/ledger.db")
        if not name:
            raise ValueError(f"needs a path, such as {SQLITE}var/ledger.db")
        path = folder / name
        check_path(path, "file")
        return f"{SQLITE}{path}"
    if text.startswith(POSTGRESQL):
        return _postgresql(text)
    examples = f"{SQLITE}var/ledger.db or {POSTGRESQL[0]}user:password@host/database"
    raise ValueError(f"must be a URL, such as {examples}, and begins otherwise")


def path_of(url: str) -> Path | None:
    """The file of a SQLite ledger; None for PostgreSQL."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


def shown(url: str, folder: Path) -> str:
    """A URL as it may be shown, and written into a file in `folder`: without its password."""
    path = path_of(url)
    if path is None:
        return hide_password(url)
    return f"{SQLITE}{path.relative_to(folder) if path.is_relative_to(folder) else path}"


def _postgresql(text: str) -> str:
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise ValueError("is PostgreSQL, which needs an extra: pip install 'acklast[postgresql]'") from None
    try:
        conninfo_to_dict(text)
    except ProgrammingError as error:
        reason = hide_password(str(error).strip().splitlines()[0])
        raise ValueError(f"is no URL that PostgreSQL's client reads: {reason}") from None
    return text
