"""The intake as in a tutorial: Flask, and in every request a `BlockingConnection` that is
opened, used once and closed. Confirms are on, so that its 202 means the same as ours.

Run by granian, as ours is (Flask's own server is slower)."""

from __future__ import annotations

import os
import uuid

import orjson
import pika
from flask import Flask, request
from flask.typing import ResponseReturnValue

from bench.job import check_payment

PARAMETERS = pika.URLParameters(os.environ["AMQP_URL"])

app = Flask(__name__)


@app.post("/make-payment")
def make_payment() -> ResponseReturnValue:
    body = request.get_data()
    check_payment(orjson.loads(body))
    payment_id = uuid.uuid4().hex
    with pika.BlockingConnection(PARAMETERS) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(
            "",
            "payment_queue",
            body,
            pika.BasicProperties(content_type="application/json", delivery_mode=2, message_id=payment_id),
            mandatory=True,
        )
    return {"id": payment_id, "status": "accepted"}, 202
