"""One node of a cluster: everything needed to connect to it. Knows nothing about pika."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class BrokerNode:
    """One node of a cluster, as its URL names it."""

    url: str
    host: str
    port: int
    vhost: str = "/"
    user: str = "guest"
    password: str = "guest"  # noqa: S105 - RabbitMQ's default, which it takes from its own machine only
    tls: bool = False
    cacertfile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    server_name_indication: str | None = None
    heartbeat: int | None = None
    """Seconds."""
    connection_timeout: int | None = None
    """Seconds."""

    @property
    def label(self) -> str:
        """The node's name for people: without credentials."""
        vhost = "" if self.vhost == "/" else f"/{self.vhost}"
        return f"{'amqps' if self.tls else 'amqp'}://{self.host}:{self.port}{vhost}"

    def tls_context(self) -> ssl.SSLContext:
        """Verified TLS, always: there is no switch to turn verification off.

        Raises ValueError, with a predicate for the user whose subject is the URL, where a
        certificate that it names can't be used.
        """
        import ssl  # only where TLS is asked for

        try:
            context = ssl.create_default_context(cafile=self.cacertfile)
            if self.certfile is not None:
                context.load_cert_chain(self.certfile, self.keyfile, password=_no_passphrase)
        except OSError as error:
            named = self.certfile or self.cacertfile
            raise ValueError(f"names a certificate that can't be used: {named}: {error}") from None
        return context


def _no_passphrase() -> str:
    """OpenSSL would ask the terminal for one."""
    raise OSError("its key is encrypted; name one without a passphrase")
