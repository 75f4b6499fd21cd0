"""What the management plugin is asked: queues, bindings, the owner of a queue; and at which node."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import pika
import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq import management
from runner.brokers.rabbitmq.management import VARIABLE, Management
from runner.errors import BrokerUnavailableError
from runner.topology import PlannedBinding
from tests.stages.gateways.servers import ScriptedGateway, answer, sends
from tests.waiting import wait_until


def asked(urls: Sequence[str], given: str) -> Management:
    return Management(urls, {VARIABLE: given})


def test_all_queues_that_last_are_named_and_all_bindings(vhost_url: str, rabbit_node: RabbitNode) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        channel = connection.channel()
        channel.queue_declare("kept", durable=True)
        channel.queue_declare("mine", exclusive=True)
        channel.exchange_declare("events", "topic", durable=True)
        channel.exchange_bind("events", "amq.topic", "all.#")
        channel.queue_bind("kept", "events", "paid.#")
        found = asked([vhost_url], rabbit_node.management_url)
        assert found.queue_names() == ["kept"]
        assert found.bindings() == [PlannedBinding("events", "kept", "paid.#")]


def test_what_a_queue_could_not_dead_letter_yet_is_counted(vhost_url: str, rabbit_node: RabbitNode) -> None:
    found = asked([vhost_url], rabbit_node.management_url)
    nowhere = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "nowhere", "x-message-ttl": 1}
    kept = {"x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        channel = connection.channel()
        channel.queue_declare("stuck", durable=True, arguments={**nowhere, **kept})
        channel.queue_declare("calm", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", "stuck", b"{}")
    wait_until(lambda: found.undelivered(["stuck", "calm"]) == 1)
    wait_until(lambda: found.undelivered(["calm"]) == 0)
    assert asked([vhost_url], "http://127.0.0.1:1").undelivered(["calm"]) is None


def test_the_connection_that_has_a_queue_to_itself_is_named(vhost_url: str, rabbit_node: RabbitNode) -> None:
    parameters = pika.URLParameters(vhost_url)
    parameters.client_properties = {"connection_name": "payments apply"}
    found = asked([vhost_url], rabbit_node.management_url)
    with closing(pika.BlockingConnection(parameters)) as connection:
        connection.channel().queue_declare("mine", exclusive=True)
        wait_until(lambda: found.owner("mine") == "'payments apply' at 127.0.0.1")
    assert found.owner("nobody's") == ""


def test_the_next_node_of_the_cluster_is_asked_when_the_first_does_not_answer(
    vhost_url: str, rabbit_node: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "PORT", int(rabbit_node.management_url.rpartition(":")[2]))
    nobody = vhost_url.replace("127.0.0.1", "nobody.invalid")
    assert Management([nobody, vhost_url], {}).queue_names() == []
    assert Management([nobody.replace("nobody.invalid", "nobody.invalid,127.0.0.1")], {}).queue_names() == []
    with pytest.raises(BrokerUnavailableError, match=r"at http://nobody\.invalid:.* doesn't answer"):
        Management([nobody], {}).queue_names()


def test_the_users_of_the_broker_and_of_the_variable_both_may_be_refused(
    vhost_url: str, rabbit_node: RabbitNode
) -> None:
    url = rabbit_node.management_url
    wrong = vhost_url.replace("guest:guest", "guest:wrong")
    for urls, given in (([wrong], url), ([vhost_url], url.replace("//", "//guest:wrong@"))):
        with pytest.raises(BrokerUnavailableError, match="answers 401; enable rabbitmq_management") as error:
            asked(urls, given).queue_names()
        assert "wrong" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("http://127.0.0.1:1/", r"the management plugin at http://127\.0\.0\.1:1 doesn't answer \(.*refused"),
        ("127.0.0.1:15672", r"MANAGEMENT_URL can't be used; write http://HOST:15672"),
        ("http://rabbit:port", r"MANAGEMENT_URL can't be used; write http://HOST:15672"),
        ("http://[::1", r"MANAGEMENT_URL can't be used; write http://HOST:15672"),
        ("http://rab bit:1", r"MANAGEMENT_URL can't be used; write http://HOST:15672"),
    ],
)
def test_where_nobody_answers_it_says_what_to_do(vhost_url: str, given: str, told: str) -> None:
    with pytest.raises(BrokerUnavailableError, match=told):
        asked([vhost_url], given).queue_names()


def test_what_answers_in_amqp_is_not_the_plugin(vhost_url: str) -> None:
    with (
        ScriptedGateway(sends(b"AMQP\x00\x00\x09\x01")) as amqp,
        pytest.raises(BrokerUnavailableError, match=r"what listens at http://localhost:\d+/charges doesn't speak HTTP"),
    ):
        asked([vhost_url], amqp.url).queue_names()


def test_the_password_goes_to_no_other_address_and_through_no_proxy(
    vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with ScriptedGateway(answer(200, [])) as elsewhere, ScriptedGateway() as plugin:
        plugin.scripts = [answer(302, headers={"Location": elsewhere.url})]
        monkeypatch.setenv("http_proxy", elsewhere.url)
        with pytest.raises(BrokerUnavailableError, match="answers 302"):
            asked([vhost_url], plugin.url).queue_names()
        assert (len(plugin.requests), elsewhere.requests) == (1, [])
