"""The parameters with which pika connects."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pika
import pytest

from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.amqp.parameters import parameters
from runner.errors import BrokerSetupError
from tests.certificates import Certificate

NODE = BrokerNode("amqp://user:p@rabbit:99/v", "rabbit", 99, vhost="v", user="user", password="p")


def test_a_node_without_settings_of_its_own_has_our_time_outs_and_a_name_in_rabbitmqs_lists() -> None:
    found = parameters(NODE, "worker-1")
    assert (found.host, found.port, found.virtual_host) == ("rabbit", 99, "v")
    assert found.credentials == pika.PlainCredentials("user", "p")
    assert (found.heartbeat, found.socket_timeout, found.stack_timeout) == (30, 10, 10)
    assert found.client_properties["connection_name"] == "worker-1"
    assert found.ssl_options is None


def test_the_time_outs_of_its_url_count() -> None:
    found = parameters(replace(NODE, heartbeat=5, connection_timeout=7), "x")
    assert (found.heartbeat, found.socket_timeout, found.stack_timeout) == (5, 7, 7)


@pytest.mark.parametrize(("name", "expected"), [(None, "rabbit"), ("other", "other")])
def test_tls_is_always_verified_against_the_hosts_name_or_the_one_that_is_given(
    name: str | None, expected: str, certificate: Certificate
) -> None:
    options = parameters(
        replace(NODE, tls=True, server_name_indication=name, cacertfile=str(certificate.file)), "x"
    ).ssl_options
    assert (options.context.verify_mode, options.context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert options.server_hostname == expected
    assert len(options.context.get_ca_certs()) == 1, "only the authority that is named is trusted"


@pytest.mark.parametrize(
    "node",
    [replace(NODE, tls=True, cacertfile="broken.pem"), replace(NODE, tls=True, certfile="broken.pem")],
    ids=["cacertfile", "certfile"],
)
def test_a_certificate_that_cannot_be_used_is_named(
    node: BrokerNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.pem").write_text("no certificate")
    with pytest.raises(BrokerSetupError, match=r"a certificate that can't be used: broken\.pem: "):
        parameters(node, "x")
