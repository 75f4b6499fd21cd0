"""A pipeline as plain values: what `pipeline.yaml` says, with every default filled in.

Frozen, and without behaviour beyond reading it: the loader makes it, everything
else uses it. Paths are absolute; durations are in seconds. The default of each key stands
here and nowhere else: the grammar, the reference and `runner show` are held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from runner.message import Destination
from runner.retry import RetryPolicy

JsonSchema = Mapping[str, Any] | bool
ExchangeType = Literal["direct", "topic", "fanout"]
QueueType = Literal["quorum", "classic"]
"""RabbitMQ's terms."""

Idempotency = Literal["required", "optional", "off"]
"""Whether a request has to bring an Idempotency-Key, may, or is not asked for one."""
Auth = Literal["api_key", "off"]
"""How a route knows who posts: by an API key, or not at all."""
ConsoleRole = Literal["viewer", "operator", "revealer"]
"""What somebody may do at the console: look; also replay, drop, pause; or open sealed fields."""
OnUnknown = Literal["retry", "park"]
"""What becomes of a message that a handler may have handled: it is tried again with the same
id, or goes to the dead letters for a person to decide."""

RECONCILE = (300.0, 3_600.0, 86_400.0)
"""The waits of `reconcile: true`, in seconds."""
DEFAULT_RETRY = RetryPolicy(attempts=5, delay=2.0, factor=3.0, max_delay=300.0)


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """Publishes to `to` a body that is valid under `when` (None: any body)."""

    to: tuple[Destination, ...]
    when: JsonSchema | None = None


@dataclass(frozen=True, slots=True)
class Verify:
    """The signatures of a route's requests: by one of `secrets`, at most `tolerance` seconds ago."""

    secrets: tuple[bytes, ...] = field(repr=False)
    tolerance: float = 300.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The most `requests` of one caller in any `seconds`."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One method and path of the intake, and where its bodies are published."""

    method: str
    path: str
    publish: tuple[Route, ...]
    idempotency: Idempotency = "off"
    idempotency_keep: float = 86_400.0
    """Seconds that an Idempotency-Key is remembered."""
    status: str | None = None
    """The path that tells how a message stands, with `{id}` where its id belongs."""
    verify: Verify | None = None
    """None: requests need no signature."""
    auth: Auth = "off"
    rate_limit: RateLimit | None = None
    headers: tuple[str, ...] = ()
    """Names of those headers of a request that travel with its messages."""
    find: tuple[str, ...] = ()
    """The fields of a request's body that `runner find` finds its message by: `user`, `order.number`."""

    @property
    def key_kept(self) -> float:
        """Seconds that a request is known by its key: a signed one for as long as its signature is taken."""
        return self.idempotency_keep if self.verify is None else max(self.idempotency_keep, 2 * self.verify.tolerance)

    @property
    def uses_ledger(self) -> bool:
        """Whether the ledger, if there is one, has a part in its requests."""
        remembers = self.status is not None or self.idempotency != "off" or self.rate_limit is not None
        return remembers or self.knows_callers or bool(self.find)

    @property
    def knows_callers(self) -> bool:
        """Whether it takes nothing from strangers."""
        return self.auth != "off" or self.verify is not None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM form: the certificate with those of its issuers after it, and its private key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Http:
    listen: Address = Address("127.0.0.1", 5000)
    routes: tuple[HttpRoute, ...] = ()
    tls: Tls | None = None
    """None: HTTP without TLS."""
    max_body: int = 65_536
    """Bytes."""
    max_bodies: int = 268_435_456
    """Bytes of the bodies of all requests that have no answer yet; one more gets 503."""
    confirm_timeout: float = 5.0
    """Seconds that a request waits for the broker's confirm before its 503."""
    request_timeout: float = 10.0
    """Seconds that a request may take to arrive: up to the end of its header, and then again
    up to the end of its body. A connection that is kept open may wait as long for the next."""
    max_connections: int = 4096
    """Connections that are served at once; others get 503, except for health."""

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The development SMTP server, and the Maildir that it keeps every mail in."""

    listen: Address = Address("127.0.0.1", 1025)
    folder: Path = Path("var/mailbox")
    """The loader makes it absolute, as it does what stands in the file."""


@dataclass(frozen=True, slots=True)
class Health:
    """Where every run answers for its health, whether or not it has the intake."""

    listen: Address = Address("127.0.0.1", 5001)


@dataclass(frozen=True, slots=True)
class ConsoleToken:
    """Who may use the console, and for what. Every role may look."""

    name: str
    hash: str
    """SHA-256 of the token, in hexadecimal digits."""
    roles: tuple[ConsoleRole, ...] = ("viewer",)


@dataclass(frozen=True, slots=True)
class Console:
    """Where every run shows itself to a browser, and tells of its health."""

    listen: Address = Address("127.0.0.1", 5001)
    tls: Tls | None = None
    """None: HTTP without TLS."""
    tokens: tuple[ConsoleToken, ...] = ()
    """None: nobody is asked who they are."""

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"


@dataclass(frozen=True, slots=True)
class AlertMail:
    """Mails to each of `to`; `settings` are those of the ready-made stage that sends them."""

    to: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request to `url`, signed with `secret` (None: not signed)."""

    url: str = field(repr=False)
    secret: bytes | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """All that may be shown of the URL: some receivers know their senders by what stands behind it."""
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.netloc}"


@dataclass(frozen=True, slots=True)
class Alerts:
    """What people are told of, and how. A condition that is None isn't watched."""

    dead_letters: int | None = None
    """More dead letters of a queue than these."""
    oldest: float | None = None
    """Seconds that a message has waited to be taken."""
    paused: float | None = None
    """Seconds for which a stage has been paused."""
    not_ready: float | None = None
    """Seconds for which the run hasn't been ready."""
    mail: AlertMail | None = None
    webhook: Webhook | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    type: ExchangeType


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    schema: Path | None = None
    type: QueueType = "quorum"
    max_length: int | None = None
    delivery_limit: int = 20
    bind: tuple[Binding, ...] = ()
    external: bool = False
    """Whether other programs publish to it or take from it."""
    was: str = ""
    """The name that it had before; what the broker still has under it has to be moved. Empty: it had none."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a stage pauses, since what it needs doesn't work."""

    failures: int = 5
    """Attempts in a row."""
    pause: float = 30.0
    """Seconds, after which one message is tried."""


PREFETCH_ONCE = 2000
"""Deliveries. Each waits for two commits of the ledger, and one commit serves all that wait."""


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    consume: str
    handler: str
    """`module:callable`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    publish: tuple[Route, ...] = ()
    concurrency: int = 1
    prefetch: int = 500
    """The most deliveries taken in advance; `runner.worker.prefetch` says when it is fewer. The default of a stage
    that runs once is PREFETCH_ONCE."""
    retry: RetryPolicy = DEFAULT_RETRY
    timeout: float | None = 600.0
    """Seconds after which a call of the handler has failed; None: never."""
    breaker: Breaker | None = None
    once: bool = False
    """Whether the handler isn't called again once the ledger has its result."""
    on_unknown: OnUnknown = "retry"
    key_lifetime: float | None = None
    """Seconds after the first attempt for which a message may be handled at all, for its id is
    no longer known where it is used as idempotency key; None: for ever."""
    reconcile: tuple[float, ...] = ()
    """Seconds before each look-up of what is in doubt or pending; none: nothing is looked up by itself."""
    settles: str | None = None
    """A JSON Pointer into the result, to the id of an earlier message: this is its late answer."""
    record: Mapping[str, str] = field(default_factory=dict)
    """What the ledger records of a handled message: by name, a JSON Pointer into the result, or
    a text."""
    find: tuple[str, ...] = ()
    """The fields of what the handler returned that `runner find` finds a message by, and shows."""
    reveal: tuple[str, ...] = ()
    """The sealed fields that the handler sees open: `cardNo`, `card.number`."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The whole file. `broker` is one URL, or the URLs of the nodes of one cluster."""

    name: str
    """Unless the file says otherwise, its own name without the extension."""
    file: Path
    broker: tuple[str, ...] = ("embedded:var/broker.db",)
    """The loader makes a relative path in it absolute."""
    queues: Mapping[str, Queue] = field(default_factory=dict)
    stages: Mapping[str, Stage] = field(default_factory=dict)
    exchanges: Mapping[str, Exchange] = field(default_factory=dict)
    http: Http | None = None
    mailbox: Mailbox | None = None
    health: Health | None = None
    console: Console | None = None
    alerts: Alerts | None = None
    keys: Path | None = None
    """The file with the keys that seal what schemas mark as sensitive; None: nothing is sealed."""
    production: bool = False
    """Whether to refuse what is only for development."""
    shutdown_timeout: float = 25.0
    """Seconds that a stopping worker may take to finish what it has in hand."""
    ledger: str | None = None
    """A URL; the loader makes a relative path in it absolute."""
    ledger_keep: float = 30 * 86_400.0
    """Seconds after its last change for which a message is remembered."""
    broker_variable: str | None = field(default=None, compare=False)
    """The environment variable that names the broker, where the file leaves it to one."""

    @property
    def is_watched(self) -> bool:
        """Whether somebody wants to know what its processes count."""
        return self.console is not None or self.alerts is not None

    @property
    def folder(self) -> Path:
        """Where relative paths start, and where the user's own modules are found."""
        return self.file.parent
