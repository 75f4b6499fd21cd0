"""RabbitMQ's URLs: which nodes they name, what is wrong with them, and how they are shown."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from runner.brokers.rabbitmq.url import described, nodes, parse, shown
from tests.certificates import Certificate

HERE = Path("/there")


def test_a_url_names_a_node_and_the_defaults_are_rabbitmqs() -> None:
    (node,) = nodes("amqp://host")
    assert (node.host, node.port, node.vhost, node.user, node.password) == ("host", 5672, "/", "guest", "guest")
    assert (node.tls, node.heartbeat, node.connection_timeout) == (False, None, None)


def test_tls_has_a_port_of_its_own() -> None:
    (node,) = nodes("amqps://host?heartbeat=5&connection_timeout=7&server_name_indication=other")
    assert (node.tls, node.port) == (True, 5671)
    assert (node.heartbeat, node.connection_timeout, node.server_name_indication) == (5, 7, "other")


def test_what_is_escaped_is_meant_as_it_is() -> None:
    (node,) = nodes("amqp://us%40er:p%2Fss%3A@[::1]:99/v%2Fhost")
    assert (node.user, node.password, node.host, node.port, node.vhost) == ("us@er", "p/ss:", "::1", 99, "v/host")


@pytest.mark.parametrize(
    ("url", "vhost"),
    [
        ("amqp://h", "/"),
        ("amqp://h/", "/"),
        ("amqp://h/%2F", "/"),
        ("amqp://h//", "/"),
        ("amqp://h/a%2Fb", "a/b"),
        ("amqp://h/é", "é"),
        ("amqp://h/payments", "payments"),
    ],
)
def test_no_virtual_host_is_the_one_that_is_always_there(url: str, vhost: str) -> None:
    assert nodes(url)[0].vhost == vhost


def test_several_hosts_are_as_many_nodes_with_all_else_alike() -> None:
    assert parse("amqp://u:p@a:1,b/v?heartbeat=9", HERE) == (
        "amqp://u:p@a:1/v?heartbeat=9",
        "amqp://u:p@b/v?heartbeat=9",
    )
    assert [(node.host, node.port, node.heartbeat) for node in nodes("amqp://a:1,b?heartbeat=9")] == [
        ("a", 1, 9),
        ("b", 5672, 9),
    ]


@pytest.mark.parametrize("password", ["pa[ss", "pa]ss", "[", "se＠cret", "pa ss", "p:a:ss", "é", "%e2%82%ac", "100%"])
def test_a_password_may_hold_what_nothing_else_in_a_url_may(password: str) -> None:
    (node,) = nodes(f"amqp://shop:{password}@my_rabbit:5799/")
    assert (node.user, node.password, node.host) == ("shop", unquote(password), "my_rabbit")


@pytest.mark.parametrize("url", ["amqp://u:p@a:1,b/v?heartbeat=9", "amqps://[fe80::1%25eth0]:5671", "amqp://a,b"])
def test_what_check_makes_of_a_url_run_reads_alike(url: str) -> None:
    assert [node for one in parse(url, HERE) for node in nodes(one)] == list(nodes(url))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("amqp://", "needs a host"),
        ("amqp://a,,b", "needs a host"),
        ("amqp://a:0", "needs a host"),
        ("amqp://a:65536", "needs a host"),
        ("amqp://user:hunter2@with@at", "can't be read as a URL"),
        ("amqp://u:hunter2@a b", "needs a host of letters"),
        ("amqp://u:hunter2@a\n", "needs a host of letters"),
        ("amqp://u:hunter2@a%20b", "needs a host of letters"),
        ("amqp://u:hunter2@a..b", "needs a host of letters"),
        ("amqp://u:x＠hunter2", "needs a host"),
        ("amqp://hunter2＠h", "needs a host of letters"),
        ("amqp://[::1", "needs a host"),
        ("amqp://[]", "needs a host of letters"),
        ("amqp://[:::::]", "no IPv6 address"),
        ("amqp://h:٣", "needs a host"),
        ("amqp://h:99999999", "needs a host"),
        ("amqp://u:hunter2%FF@h", "isn't UTF-8"),
        ("amqp://u%FF:hunter2@h", "isn't UTF-8"),
        ("amqp://u:hunter2@h/%C3", "isn't UTF-8"),
        ("amqp://%FF", "isn't UTF-8"),
        ("amqps://h?server_name_indication=%FF", "isn't UTF-8"),
        ("amqp://u:hunter2%00@h", "a password with a NUL"),
        ("amqp://u%0A:hunter2@h", "a user with a character that can't be printed"),
        ("amqp://h/a%0Ab", "a virtual host with a character that can't be printed"),
        ("amqp://h/payments/", "write it as %2F"),
        ("amqp://h/a/b", "write it as %2F"),
        (f"amqp://h/{'%C3%A9' * 128}", "more than 255 bytes"),
        ("amqp://h?heartbeat=65536", "from 1 to 65535"),
        ("amqp://h?heartbeat=99999999", "from 1 to 65535"),
        (f"amqp://h?heartbeat={'9' * 5000}", "from 1 to 65535"),
        ("amqp://h?heartbeat=0", "from 1 to 65535"),
        ("amqp://h?connection_timeout=1.5", "from 1 to 65535"),
        ("amqps://h?server_name_indication=.a", "needs a host of letters"),
        ("amqps://h?cacertfile=/a%00b", "needs the absolute path of a file"),
        (f"amqps://h?cacertfile=/{'a' * 5000}", "needs the absolute path of a file"),
        ("amqps://h?cacertfile=/dev/zero", "needs the absolute path of a file"),
        ("amqp://h?heartbeat=soon", "a whole number of seconds for 'heartbeat'"),
        ("amqp://h?heartbeet=5", "did you mean 'heartbeat'"),
        ("amqp://h?cacertfile=/x", "is for TLS; write amqps://"),
        ("amqps://h?cacertfile=ca.pem", "needs the absolute path of a file"),
    ],
)
def test_what_is_wrong_is_reported_without_repeating_the_url(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("?", r"\?")) as told:
        nodes(url)
    assert "hunter2" not in str(told.value)


def test_a_password_is_shown_to_nobody() -> None:
    urls = ("amqp://user:hunter2@a/v", "amqp://user:hunter2@b/v")
    assert shown(urls[0], HERE) == "amqp://user:********@a/v"
    assert described(urls, variable="BROKER_URL") == "amqp://user:********@a/v, amqp://user:********@b/v"
    assert nodes(urls[0])[0].label == "amqp://a:5672/v"


def test_certificates_are_read_by_check_as_they_are_by_run(certificate: Certificate, tmp_path: Path) -> None:
    pair = f"certfile={certificate.file}&keyfile={certificate.key}"
    url = f"amqps://h?cacertfile={certificate.file}&{pair}"
    assert parse(url, HERE) == (url,)
    (tmp_path / "none.pem").write_text("no certificate")
    encrypted = tmp_path / "encrypted.pem"
    encrypt: list[str | Path] = [
        "openssl",
        "pkey",
        "-in",
        certificate.key,
        "-aes256",
        "-passout",
        "pass:hunter2",
        "-out",
        encrypted,
    ]
    subprocess.run(encrypt, check=True, capture_output=True)
    for query, reason in [
        (f"cacertfile={tmp_path}/none.pem", "can't be used"),
        (f"certfile={certificate.file}&keyfile={tmp_path}/none.pem", "can't be used"),
        (f"certfile={certificate.file}&keyfile={encrypted}", "its key is encrypted; name one without a passphrase"),
        (f"keyfile={certificate.key}", "'keyfile' without 'certfile'"),
    ]:
        with pytest.raises(ValueError, match=reason):
            parse(f"amqps://h?{query}", HERE)
