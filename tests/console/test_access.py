"""Who somebody is at the console, and what they may do."""

from __future__ import annotations

import pytest

from runner.console import access as module
from runner.console.access import Access, cookies_of, hash_of
from runner.pipeline import Address, Console, ConsoleToken

ADA = ConsoleToken("ada", hash_of("adas token"), ("operator",))
BOB = ConsoleToken("bob", hash_of("bobs token"))


def asking() -> Access:
    return Access(Console(tokens=(ADA, BOB)), production=True)


@pytest.mark.parametrize(
    ("host", "production", "operates"),
    [("127.0.0.1", False, True), ("::1", False, True), ("127.0.0.1", True, False), ("0.0.0.0", False, False)],
)
def test_without_tokens_only_a_developer_on_this_machine_operates_and_nobody_reveals(
    host: str, production: bool, operates: bool
) -> None:
    person = Access(Console(Address(host, 1)), production=production).person("", "")
    assert person is not None
    assert person.may("viewer")
    assert person.may("operator") == operates
    assert not person.may("revealer")


def test_a_token_is_known_by_its_hash_and_has_its_roles() -> None:
    ada, bob = asking().person("", "adas token"), asking().person("", "bobs token")
    assert ada is not None
    assert bob is not None
    assert (ada.name, ada.may("operator"), ada.may("revealer")) == ("ada", True, False)
    assert (bob.name, bob.may("viewer"), bob.may("operator")) == ("bob", True, False)


@pytest.mark.parametrize("wrong", ["", "x", ADA.hash, "adas token ", "\udcff"])
def test_what_is_no_token_opens_nothing(wrong: str) -> None:
    assert asking().person("", wrong) is None
    assert asking().log_in(wrong) is None


def test_a_session_lasts_until_its_owner_logs_out() -> None:
    access = asking()
    session = access.log_in("bobs token")
    assert session is not None
    person = access.person(session, "")
    assert person is not None
    assert person.name == "bob"
    access.log_out(session)
    assert access.person(session, "") is None


def test_a_session_that_is_not_used_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    access = asking()
    session = access.log_in("bobs token") or ""
    monkeypatch.setattr(module, "LIFETIME", -1.0)
    assert access.person(session, "") is None


def test_too_many_sessions_end_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    access = asking()
    first, *later = [access.log_in("bobs token") or "" for _ in range(3)]
    assert access.person(first, "") is None
    assert all(access.person(session, "") for session in later)


def test_a_seal_is_that_of_one_session() -> None:
    access = asking()
    assert access.is_sealed("a", access.seal_of("a"))
    assert not access.is_sealed("b", access.seal_of("a"))
    assert not access.is_sealed("", access.seal_of(""))
    assert not asking().is_sealed("a", access.seal_of("a")), "nor of another start"
    assert not access.is_sealed("a", "é\udcff")


def test_cookies_are_read_as_far_as_they_can_be() -> None:
    assert cookies_of("a=1; b=2;c;=d; e=f=g;;") == {"a": "1", "b": "2", "e": "f=g"}
