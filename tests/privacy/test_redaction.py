"""What must not be shown is not shown."""

from __future__ import annotations

import pytest

from runner.privacy.redaction import Withheld, hide_parameters, hide_password, hide_within, is_secret, redact


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWORD", "mail_password", "smtpPassword", "passwd", "passphrase"),
        *("secret", "client-secret", "api_key", "apiKey", "apikey", "private_key"),
        *("token", "access_token", "credentials", "auth"),
        *("pass", "smtp_pass", "pwd", "dbPwd", "authorization", "Authorization", "proxy-authorization", "passcode"),
        *("bearer", "session_cookie", "signature", "pin"),
    ],
)
def test_a_name_that_says_so_is_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("server", "port", "author", "authors", "keyboard", "pinned", "bypass", "compass", "monkey"),
        *("passenger", "tokenizer", "test_cards", "x"),
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:hunter2@host:5672/vhost", "amqp://user:********@host:5672/vhost"),
        ("amqps://user:hunt:er2@a,b/v?x=1", "amqps://user:********@a,b/v?x=1"),
        ("postgresql+psycopg://u:p@h/db", "postgresql+psycopg://u:********@h/db"),
        ("amqp://user:hunter@2@host/", "amqp://user:********@host/"),
        ("https://shop.example/hook?token=hunter2&n=1", "https://shop.example/hook?token=********&n=1"),
        ("https://shop.example/hook?n=1&api_key=hunter2#x", "https://shop.example/hook?n=1&api_key=********#x"),
        *(
            (f"amqp://user:{password}@host/v", "amqp://user:********@host/v")
            for password in (
                "pa/ss",
                "pa?ss",
                "pa#ss",
                "pa[ss",
                "pa]ss",
                "p:a:ss",
                "pa@ss",
                "se＠cret",
                "pa ss",
                "pa\nss",
                "://",
                "/",
                "[::1]:5",
            )
        ),
        ("amqp://us/er:hunter2@host", "amqp://us/er:********@host"),
        ("amqp://user:hunter2＠host", "amqp://user:********@host"),
        ("amqp://user:hunter2@a,user:hunter3@b", "amqp://user:********@b"),
        ("amqp://user@host/", "amqp://user@host/"),
        ("amqp://host/", "amqp://host/"),
        ("embedded:/var/broker.db", "embedded:/var/broker.db"),
        ("at 10:30 mail a@b.example", "at 10:30 mail a@b.example"),
        ("first amqp://a:b@c then redis://:d@e", "first amqp://a:********@c then redis://:********@e"),
    ],
)
def test_the_password_of_a_url_is_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


@pytest.mark.parametrize(
    ("text", "secrets", "redacted"),
    [
        ("gateway 'hunter2' isn't known", ["hunter2"], "gateway '********' isn't known"),
        ("bad key '-----BEGIN\\nMIIB\\n'", ["-----BEGIN\nMIIB\n"], "bad key '********\\n********\\n'"),
        ("'0123456789abcd…' is too long", ["0123456789abcdefghij"], "'********' is too long"),
        ("port 25 is not 250", ["25"], "port ******** is not 250"),
        ("no 'caf\\xe9-1'", ["café-1"], "no '********'"),
        ("a secret", ["secret-1", "secret"], "a ********"),
        ("nothing", ["", " "], "nothing"),
    ],
)
def test_the_values_of_variables_are_taken_out_of_a_sentence(text: str, secrets: list[str], redacted: str) -> None:
    assert redact(text, secrets) == redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "401 from https://shop:hunter2@a.b/hook?token=t0k&n=1!",
            "401 from https://shop:********@a.b/hook?token=********&n=1!",
        ),
        ("no redis://:d@e, no amqp://a:b@c", "no redis://:********@e, no amqp://a:********@c"),
        *((text, text) for text in ("http://h:80/a@b", "amqp://guest@localhost:5672/", "at 10:30 a@b.example", "x=1")),
    ],
)
def test_a_url_within_a_text_that_others_wrote_loses_its_secrets(text: str, shown: str) -> None:
    assert hide_parameters(hide_within(text)) == shown
    assert hide_parameters(hide_within(shown)) == shown


def test_what_a_handler_has_got_is_taken_out_of_every_text_unless_it_may_be_a_word() -> None:
    withheld = Withheld()
    withheld.add(["sk_live_+0815", "s3cret'ly", "mailpit"])
    withheld.add(["sk_live_+08151234"])
    shown = withheld.hide('401: sk_live_+0815, sk_live_%2B08151234; KeyError("s3cret\'ly") at mailpit')
    assert shown == '401: ********, ********; KeyError("********") at mailpit'
