"""Hosts: which are accepted, and what is said about the others."""

from __future__ import annotations

import socket

import pytest

from runner.hosts import family_of, read_host


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


@pytest.mark.parametrize(
    ("host", "addresses", "family"),
    [
        ("both.example", [socket.AF_INET6, socket.AF_INET], socket.AF_INET),
        ("six.example", [socket.AF_INET6], socket.AF_INET6),
    ],
)
def test_a_name_is_listened_on_by_ipv4_unless_it_has_none(
    host: str, addresses: list[socket.AddressFamily], family: socket.AddressFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(kind, socket.SOCK_STREAM, 0, "", ()) for kind in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert family_of(host) == family


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_an_address_is_listened_on_as_what_it_is(host: str, family: socket.AddressFamily) -> None:
    assert family_of(host) == family
