"""RabbitMQ's URLs: which nodes they name, what is wrong with them, and how they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.brokers.rabbitmq.url import described, nodes, parse, shown

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
    ("url", "vhost"), [("amqp://h", "/"), ("amqp://h/", "/"), ("amqp://h/%2F", "/"), ("amqp://h/payments", "payments")]
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
        ("amqp://h?heartbeat=soon", "a whole number of seconds for 'heartbeat'"),
        ("amqp://h?heartbeet=5", "did you mean 'heartbeat'"),
        ("amqp://h?cacertfile=/x", "is for TLS; write amqps://"),
        ("amqps://h?cacertfile=ca.pem", "needs the absolute path of a file"),
    ],
)
def test_what_is_wrong_is_told_without_repeating_the_url(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("?", r"\?")) as told:
        nodes(url)
    assert "hunter2" not in str(told.value)


def test_a_password_is_shown_to_nobody() -> None:
    urls = ("amqp://user:hunter2@a/v", "amqp://user:hunter2@b/v")
    assert shown(urls[0], HERE) == "amqp://user:********@a/v"
    assert described(urls, by_variable=True) == "amqp://user:********@a/v, amqp://user:********@b/v"
    assert nodes(urls[0])[0].label == "amqp://a:5672/v"
