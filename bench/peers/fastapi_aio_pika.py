"""The intake as an asynchronous program: FastAPI, and one aio-pika channel with confirms for
all requests. Run by uvicorn with uvloop and httptools."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import orjson
from fastapi import FastAPI, Request, Response

from bench.job import check_payment


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        app.state.exchange = channel.default_exchange
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/make-payment")
async def make_payment(request: Request) -> Response:
    body = await request.body()
    check_payment(orjson.loads(body))
    payment_id = uuid.uuid4().hex
    message = aio_pika.Message(
        body, content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT, message_id=payment_id
    )
    await app.state.exchange.publish(message, "payment_queue", mandatory=True)
    return Response(b'{"id":"%b","status":"accepted"}\n' % payment_id.encode(), 202, media_type="application/json")
