"""Which texts are exactly one address that can be mailed to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.library.mail.addresses import bare_address, is_one_line, named_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("test-user@example.com", "test-user@example.com"),
        ("o'hara+shop=1@mail.example.co.uk", "o'hara+shop=1@mail.example.co.uk"),
        ("someone@localhost", "someone@localhost"),
        ("someone@bücher.example", "someone@xn--bcher-kva.example"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_address_that_can_be_mailed_to(text: str, address: str) -> None:
    assert bare_address(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no address"),
        (None, "there is no address"),
        (["a@example.com"], "there is no address"),
        ("nobody", "has no @"),
        ("a@example.com, b@example.com", "not one bare address"),
        ("a@example.com,b@example.com", "not one bare address"),
        ("a@example.com;b@example.com", "not one bare address"),
        ("A <a@example.com>", "not one bare address"),
        ("a@b@example.com", "not one bare address"),
        ("a @example.com", "not one bare address"),
        ("a@example.com\n", "not one bare address"),
        ("a@example.com\r\nBcc: b@example.com", "not one bare address"),
        ("a@example.com\x00", "not one bare address"),
        ("a@example.com\u2028", "not one bare address"),
        ('"a b"@example.com', "not one bare address"),
        ("a@[127.0.0.1]", "not one bare address"),
        ("ü@example.com", "not ASCII"),
        (".a@example.com", "before the @"),
        ("a..b@example.com", "before the @"),
        ("a" * 65 + "@example.com", "before the @"),
        ("@example.com", "before the @"),
        ("a@", "not a domain name"),
        ("a@.example.com", "not a domain name"),
        ("a@example..com", "not a domain name"),
        ("a@-example.com", "not a domain name"),
        ("a@" + "b" * 64 + ".com", "not a domain name"),
        ("a@ex_ample.com", "not a domain name"),
        ("a@" + "ü" * 64 + ".com", "not a domain name"),
        ("a@" + "b." * 126 + "com", "longer than 254"),
    ],
)
def test_a_text_that_is_no_such_address(text: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        bare_address(text)


@given(st.text(max_size=30) | st.from_regex(r"[^@]{1,10}@[^@]{1,10}", fullmatch=True))
def test_what_passes_can_stand_in_an_smtp_command_and_in_a_header(text: str) -> None:
    try:
        address = bare_address(text)
    except ValueError:
        return
    assert address.isascii()
    assert address.isprintable()
    assert not set(address) & set(' ,;<>"()[]\\:')
    assert address.count("@") == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("shop@example.com", ("", "shop@example.com")),
        ("Shop <shop@example.com>", ("Shop", "shop@example.com")),
        ('"Shop, Inc." <shop@example.com>', ("Shop, Inc.", "shop@example.com")),
        ("<shop@example.com>", ("", "shop@example.com")),
    ],
)
def test_an_address_may_have_a_name(text: str, named: tuple[str, str]) -> None:
    assert named_address(text) == named


@pytest.mark.parametrize("text", ["Shop <shop@example.com> x", "Shop\r\nBcc: x <shop@example.com>", "<a@b.c> <a@b.c>"])
def test_a_text_that_is_more_than_an_address_with_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="neither an address nor Name <address>"):
        named_address(text)


@pytest.mark.parametrize("character", ["\r", "\n", "\x00", "\x0b", "\x85", "\u2028", "\u2029"])
def test_a_control_character_ends_a_line_for_some_mail_program(character: str) -> None:
    assert is_one_line("one line, Grüße ✓")
    assert not is_one_line(f"two{character}lines")
