"""Between RSGI and a WSGI app: the request for the app, and its response."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from werkzeug.test import create_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from granian.rsgi import HTTPProtocol, Scope
    from werkzeug.wrappers import Response


def environ_of(scope: Scope, body: bytes) -> WSGIEnvironment:
    """The request of `scope` with this `body`."""
    return create_environ(
        query_string=scope.query_string,
        base_url=f"{scope.scheme}://{scope.authority or scope.server}",
        method=scope.method,
        headers=scope.headers.items(),
        input_stream=io.BytesIO(body),
        environ_overrides={
            "REMOTE_ADDR": scope.client.rpartition(":")[0],
            # as WSGI has it (PEP 3333); as `path`, it would be read as an address, and decoded once more
            "PATH_INFO": scope.path.encode(errors="replace").decode("latin-1"),
        },
    )


def respond(protocol: HTTPProtocol, response: Response) -> None:
    """Send a response of Flask's by RSGI."""
    protocol.response_bytes(response.status_code, list(response.headers.items()), response.get_data())
