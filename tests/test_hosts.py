"""Hosts: which are accepted, and what is said about the others."""

from __future__ import annotations

import pytest

from runner.hosts import read_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        *((name, name) for name in ("localhost", "rabbit-1.example", "my_rabbit", "example.", "127.0.0.1", "a" * 63)),
        ("[::1]", "::1"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1"),
        ("müller.example", "xn--mller-kva.example"),
    ],
)
def test_names_and_addresses_are_hosts(text: str, host: str) -> None:
    assert read_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", ".a", "a..b", "a b", " a", "a\n", "a\0", "a/b", "a:b", "a@b", "a＠b", "a%20b", "\ud800"),
        *("a" * 64, ".".join(["a" * 60] * 5), "ü" * 64, "::1", "[a", "a]"),
    ],
)
def test_what_no_function_could_connect_to_is_reported_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^needs a host of letters, digits, '-', '_' and '\.', or an IPv6") as told:
        read_host(text)
    assert type(told.value) is ValueError


@pytest.mark.parametrize("text", ["[:::::]", "[1.2.3.4]", "[]", "[1]", "[::1::]", "[::1%]", "[::1%eth0 ]", "[::g]"])
def test_brackets_are_for_ipv6_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="IPv6 address"):
        read_host(text)
