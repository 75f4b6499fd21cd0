"""The settings of a mail server: which go together, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.library.mail.relay import Relay


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"server": ""}, "server must be"),
        ({"server": "smtp.example.com "}, "server must be"),
        ({"port": 0}, "port must be from 1 to 65535, not 0"),
        ({"timeout": -1}, "timeout must be more than 0 and at most 600 seconds, not -1"),
        ({"use_tls": True, "use_ssl": True}, "set only one"),
        ({"port": 465}, "port 465 speaks TLS from the first byte: set use_ssl"),
        ({"port": 465, "use_tls": True}, "port 465 speaks TLS from the first byte: set use_ssl"),
        ({"username": "me", "use_tls": True}, "set both, or neither"),
        ({"password": "secret", "use_tls": True}, "set both, or neither"),
        ({"username": "me", "password": "geheimß", "use_tls": True}, "must be ASCII"),
        ({"username": "me", "password": "secret"}, "the password would go to smtp.example.com in the clear"),
        ({"server": "127.evil.example", "username": "me", "password": "secret"}, "in the clear"),
        ({"ca_file": Path("/nowhere/ca.pem")}, "there is no file /nowhere/ca.pem"),
        ({"ca_file": Path(__file__)}, "holds no certificates in PEM form"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        Relay(**{"server": "smtp.example.com", "port": 25, **settings})

    assert "geheim" not in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("server", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
def test_a_password_may_go_in_the_clear_where_it_does_not_leave_the_machine(server: str) -> None:
    Relay(server, 25, username="me", password="secret")


def test_gmail_as_it_is_usually_set_up() -> None:
    relay = Relay("smtp.gmail.com", 587, use_tls=True, username="shop@gmail.com", password="abcd efgh ijkl mnop")

    assert str(relay) == "mail server smtp.gmail.com:587"
    assert "abcd" not in repr(relay)


def test_a_ca_file_is_the_only_authority(tmp_path: Path, certificate: Any) -> None:
    context = Relay("smtp.example.com", 587, use_tls=True, ca_file=certificate.file).tls_context()

    assert [ca["subject"] for ca in context.get_ca_certs()] == [((("commonName", "localhost"),),)]
