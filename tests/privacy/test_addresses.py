"""Payers' addresses in texts for people."""

from __future__ import annotations

import pytest

from runner.privacy.addresses import mask_addresses as mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("550 <test-user@example.com>: no such user", "550 <t•••@example.com>: no such user"),
        ("mailto:jane.doe+shop@mail.example.co.uk.", "mailto:j•••@mail.example.co.uk."),
        ("{'user': 'jane@example.com'}", "{'user': 'j•••@example.com'}"),
        ('"jane doe"@example.com', "j•••@example.com"),
        ("jürgen@müller.example", "j•••@müller.example"),
        ("a@b, c@[127.0.0.1]", "a•••@b, c•••@[127.0.0.1]"),
        ("4111111111111111@example.com", "4•••@example.com"),
        ("GET /customers?email=jane.doe%40example.com&n=1", "GET /customers?email=j•••%40example.com&n=1"),
        ("GET /jane%40example.com/bob%40example.com", "GET /j•••%40example.com/b•••%40example.com"),
        ('{"user": "jane\\u0040example.com"}', '{"user": "j•••\\u0040example.com"}'),
        ("jane.doe=40example.com, jane.doe%2540example.com", "j•••=40example.com, j•••%2540example.com"),
        ("jane&#x0040;example.com jane&amp;#064;example.com", "j•••&#x0040;example.com j•••&amp;#064;example.com"),
        ("'jane\\x40example.com jane\\@example.com'", "'j•••\\x40example.com j•••\\@example.com'"),
        ("jane.doe [at] example.com, jane(at)example.com", "j••• [at] example.com, j•••(at)example.com"),
        ("jane.doe\u200b@example.com", "j•••@example.com"),
        ('{"user": "\\"jane doe\\"@example.com"}', '{"user": "j•••@example.com"}'),
        (
            "jane＠example.com, jane&#64;example.com, jane&commat;example.com",
            "j•••＠example.com, j•••&#64;example.com, j•••&commat;example.com",
        ),
    ],
)
def test_of_an_address_the_first_character_and_the_domain_stay(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        *("Message-ID <83d8f22200154122a0cbee044964e5df.paid@example.com>", "83d8f22200154122a0cbee044964e5df@a.b"),
        *("amqp://guest@localhost:5672/", "amqps://shop:********@rabbit/v", "@property", "a @ b", "at@", "t•••@x.y"),
        *("timeout=40s", "attempt=401 port=4012.", "took=40.5ms", "arrived (at) ten", "f(at)"),
    ],
)
def test_what_is_no_payers_address_stays(text: str) -> None:
    assert mask(text) == text
