"""Which database a URL names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.ledger.url import parse, path_of, shown

FOLDER = Path("/srv/shop")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("sqlite:var/ledger.db", "sqlite:/srv/shop/var/ledger.db"),
        ("sqlite:/var/lib/ledger.db", "sqlite:/var/lib/ledger.db"),
        ("postgresql://me:secret@db/shop", "postgresql://me:secret@db/shop"),
        ("postgres://db:5433/shop?sslmode=require", "postgres://db:5433/shop?sslmode=require"),
    ],
)
def test_a_url_is_completed_by_the_folder_of_its_file(text: str, url: str) -> None:
    assert parse(text, FOLDER) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sqlite:", "needs a path, such as sqlite:var/ledger.db"),
        ("sqlite:///srv/ledger.db", "has slashes before its path; write sqlite:var/ledger.db or sqlite:/srv/ledger.db"),
        ("ledger.db", "must be a URL, such as sqlite:var/ledger.db or postgresql://user:password@host/database, and"),
        ("mysql://db/shop", "begins otherwise"),
        ("postgresql://db:port/shop?nonsense", "is no URL that PostgreSQL's client reads"),
    ],
)
def test_what_is_no_ledger_is_refused_with_what_to_write(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("?", r"\?")):
        parse(text, FOLDER)


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names the folder"):
        parse(f"sqlite:{tmp_path}", FOLDER)


def test_a_refusal_does_not_repeat_the_password() -> None:
    with pytest.raises(ValueError, match="is no URL") as raised:
        parse("postgresql://me:hunter2@db/shop?nonsense", FOLDER)
    assert "hunter2" not in str(raised.value)


def test_postgresql_without_its_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ValueError, match=r"needs an extra: pip install 'acklast\[postgresql\]'"):
        parse("postgresql://db/shop", FOLDER)


def test_only_sqlite_has_a_file() -> None:
    assert path_of("sqlite:/srv/ledger.db") == Path("/srv/ledger.db")
    assert path_of("postgresql://db/shop") is None


@pytest.mark.parametrize(
    ("url", "as_shown"),
    [
        ("sqlite:/srv/shop/var/ledger.db", "sqlite:var/ledger.db"),
        ("sqlite:/elsewhere/ledger.db", "sqlite:/elsewhere/ledger.db"),
        ("postgresql://db/shop", "postgresql://db/shop"),
    ],
)
def test_a_url_is_shown_as_it_is_written_beside_its_file(url: str, as_shown: str) -> None:
    assert shown(url, FOLDER) == as_shown


def test_a_url_is_shown_without_its_password() -> None:
    found = shown("postgresql://me:hunter2@db/shop", FOLDER)
    assert "hunter2" not in found
    assert "me" in found
    assert "@db/shop" in found
