"""The intake without a broker to install, from parts at hand: Flask, and a huey task in
SQLite for each request, committed with `fsync`. Run by granian, as ours is."""

from __future__ import annotations

import uuid

import orjson
from flask import Flask, request
from flask.typing import ResponseReturnValue

from bench.job import check_payment
from bench.peers.huey_tasks import forward

app = Flask(__name__)


@app.post("/make-payment")
def make_payment() -> ResponseReturnValue:
    payment_id = uuid.uuid4().hex
    forward(check_payment(orjson.loads(request.get_data())), payment_id)
    return {"id": payment_id, "status": "accepted"}, 202
