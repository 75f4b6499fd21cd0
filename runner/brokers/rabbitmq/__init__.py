"""RabbitMQ. This package is the only place that imports pika."""

from runner.brokers.rabbitmq.broker import RabbitBroker

__all__ = ["RabbitBroker"]
