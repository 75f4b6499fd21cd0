"""Which broker a URL names: the only list, by how the URL begins.

A broker is a package with six modules: `url` (reads and shows its URLs, and imports next to
nothing), `broker`, `shelf`, `survey`, `checkup` and `migration`; the protocols here say what each offers. All are
imported only when needed: a machine without RabbitMQ pays nothing for it, and neither does `runner check`.

To add a broker, write the package and add its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from runner.brokers.base import Accounted, Broker, Shelf, unaccounted
from runner.brokers.survey import Renamed, Survey
from runner.events import UNWATCHED, Events
from runner.findings import Finding
from runner.pipeline import Pipeline
from runner.topology import Topology, plan

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Urls(Protocol):
    """What the module `url` of a broker's package offers."""

    EXAMPLES: tuple[str, ...]
    """How its URLs are written."""
    ALONE: str
    """Why one of its URLs can't be one of several, as a sentence; empty: it can."""
    TAKES_BACK_AFTER: float | None
    """Seconds after which it gives a message in hand to somebody else, unless it is told
    otherwise; None: never."""

    def parse(self, text: str, folder: Path) -> tuple[str, ...]:
        """The URLs that `text` stands for, at least one, complete without `folder`, where
        relative paths start. Opens no connection. Raises ValueError with a predicate for
        the user, such as "needs a host"."""

    def shown(self, url: str, folder: Path) -> str:
        """A URL as it may be shown, and written into a file in `folder`: without its password."""

    def described(self, urls: Sequence[str], *, variable: str | None) -> str:
        """What `runner run` prints about the broker. `variable`: the environment variable that can
        name another one, if there is one."""


class Entrance(Protocol):
    """What the module `broker` of a broker's package offers."""

    def connect(self, urls: Sequence[str], name: str, events: Events = UNWATCHED) -> Broker:
        """The broker at `urls`, not started. `name` is shown in its lists; it reports to `events`.
        Raises BrokerSetupError for a URL that can't be used."""


class Shelves(Protocol):
    """What the module `shelf` of a broker's package offers."""

    def opened(self, urls: Sequence[str], name: str, queue: str) -> AbstractContextManager[Shelf]:
        """`queue` at `urls`, which must exist, for an operator. `name` is shown in the broker's lists.
        Raises BrokerError."""

    def waiting(self, urls: Sequence[str], name: str, topology: Topology, queue: str) -> AbstractContextManager[Shelf]:
        """What is ready on the work queue `queue` of `topology`."""

    def delayed(self, urls: Sequence[str], name: str, topology: Topology, queue: str) -> AbstractContextManager[Shelf]:
        """What waits until it goes to that queue again."""


class Surveys(Protocol):
    """What the module `survey` of a broker's package offers."""

    def surveyed(self, urls: Sequence[str], name: str, topology: Topology) -> Survey:
        """What is at `urls`, compared with `topology`. Raises BrokerError."""

    def left_behind(self, urls: Sequence[str], name: str, topology: Topology) -> tuple[Renamed, ...]:
        """Only what has its former name there. Raises BrokerError."""


class Checkups(Protocol):
    """What the module `checkup` of a broker's package offers."""

    def checked(self, urls: Sequence[str], name: str, topology: Topology) -> Iterator[Finding]:
        """Whether what is at `urls` is fit for `topology`. Raises nothing."""


class Migrations(Protocol):
    """What the module `migration` of a broker's package offers."""

    def migrated(
        self,
        urls: Sequence[str],
        name: str,
        topology: Topology,
        goes_on: Callable[[], bool],
        accounted: Accounted = unaccounted,
    ) -> Mapping[str, int]:
        """Make the queues of `topology` that exist with other arguments as they are planned, with all that is
        on them. Returns their names, and how many messages these are. `goes_on()` is asked before each message;
        False ends it there. Raises BrokerError."""

    def renamed(
        self, urls: Sequence[str], name: str, topology: Topology, goes_on: Callable[[], bool]
    ) -> Mapping[str, int]:
        """Move all that lies under the former names of queues of `topology` to the new ones, in its order, and
        delete the former queues. Returns, for each work queue that had one, how many messages came. Else like
        `migrated`."""

    def alone(self, urls: Sequence[str], name: str) -> AbstractContextManager[Callable[[], None]]:
        """Meanwhile nobody else does that at `urls`, or is `alone` there. To be called again and again: it raises
        BrokerError when that has ended. Raises BrokerError, which says who is at work there."""


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """One broker: how its URLs begin, and its package."""

    schemes: tuple[str, ...]
    package: str

    @property
    def urls(self) -> Urls:
        return cast("Urls", import_module(f"{self.package}.url"))

    @property
    def entrance(self) -> Entrance:
        return cast("Entrance", import_module(f"{self.package}.broker"))

    @property
    def shelves(self) -> Shelves:
        return cast("Shelves", import_module(f"{self.package}.shelf"))

    @property
    def surveys(self) -> Surveys:
        return cast("Surveys", import_module(f"{self.package}.survey"))

    @property
    def checkups(self) -> Checkups:
        return cast("Checkups", import_module(f"{self.package}.checkup"))

    @property
    def migrations(self) -> Migrations:
        return cast("Migrations", import_module(f"{self.package}.migration"))


BROKERS = [
    BrokerKind(("embedded:",), "runner.brokers.embedded"),
    BrokerKind(("amqp://", "amqps://"), "runner.brokers.rabbitmq"),
]


def kind_of(url: str) -> BrokerKind:
    """The broker that `url` names. Raises ValueError with a predicate for the user."""
    for kind in BROKERS:
        if url.startswith(kind.schemes):
            return kind
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ValueError(
            f"is not a URL; write {_either([example for kind in BROKERS for example in kind.urls.EXAMPLES])}"
        )
    known = [scheme for kind in BROKERS for scheme in kind.schemes]
    raise ValueError(f"has the scheme '{scheme[1]}', which isn't known; use {_either(known)}")


def parse(text: str, folder: Path) -> tuple[str, ...]:
    """The URLs that `text` stands for (see `Urls.parse`). Raises ValueError."""
    return kind_of(text).urls.parse(text, folder)


def misfit(url: str, *, beside: str) -> str | None:
    """Why `url` can't be one of several, the first of which is `beside`, as a sentence for
    the user; None: it can."""
    kind, first = kind_of(url), kind_of(beside)
    if kind.urls.ALONE:
        return kind.urls.ALONE
    if first is kind or first.urls.ALONE:  # the first gets its own error
        return None
    return "several URLs are the nodes of one broker, and this names another broker than the first; name one of them"


def takes_back_after(url: str) -> float | None:
    """When the broker at `url` loses patience (see `Urls.TAKES_BACK_AFTER`)."""
    return kind_of(url).urls.TAKES_BACK_AFTER


def shown(url: str, folder: Path) -> str:
    """A URL as it may be shown (see `Urls.shown`)."""
    return kind_of(url).urls.shown(url, folder)


def described(pipeline: Pipeline) -> str:
    """What `runner run` prints about the broker of `pipeline`."""
    return kind_of(pipeline.broker[0]).urls.described(pipeline.broker, variable=pipeline.broker_variable)


def connect(pipeline: Pipeline, part: str, events: Events = UNWATCHED) -> Broker:
    """The broker of `pipeline`, not started yet. `part` (of the program) is shown in its lists;
    it reports to `events`.

    Raises BrokerSetupError for a URL that can't be used.
    """
    return kind_of(pipeline.broker[0]).entrance.connect(pipeline.broker, f"{pipeline.name} {part}", events)


def shelf(pipeline: Pipeline, part: str, queue: str) -> AbstractContextManager[Shelf]:
    """A queue of `pipeline`'s broker for an operator; `part` is as in `connect`. Raises BrokerError."""
    return kind_of(pipeline.broker[0]).shelves.opened(pipeline.broker, f"{pipeline.name} {part}", queue)


def waiting(pipeline: Pipeline, part: str, queue: str) -> AbstractContextManager[Shelf]:
    """What is ready on a work queue of `pipeline`, for an operator. Raises BrokerError."""
    shelves = kind_of(pipeline.broker[0]).shelves
    return shelves.waiting(pipeline.broker, f"{pipeline.name} {part}", plan(pipeline), queue)


def delayed(pipeline: Pipeline, part: str, queue: str) -> AbstractContextManager[Shelf]:
    """What waits until it goes to a work queue of `pipeline` again. Raises BrokerError."""
    shelves = kind_of(pipeline.broker[0]).shelves
    return shelves.delayed(pipeline.broker, f"{pipeline.name} {part}", plan(pipeline), queue)


def survey(pipeline: Pipeline, part: str) -> Survey:
    """What is on `pipeline`'s broker, compared with what it needs there. Raises BrokerError."""
    kind = kind_of(pipeline.broker[0])
    return kind.surveys.surveyed(pipeline.broker, f"{pipeline.name} {part}", plan(pipeline))


def left_behind(pipeline: Pipeline, part: str) -> tuple[Renamed, ...]:
    """What of `pipeline` has its former name on its broker. Raises BrokerError."""
    kind = kind_of(pipeline.broker[0])
    return kind.surveys.left_behind(pipeline.broker, f"{pipeline.name} {part}", plan(pipeline))


def checked(pipeline: Pipeline, part: str) -> Iterator[Finding]:
    """Whether `pipeline`'s broker is fit for it."""
    kind = kind_of(pipeline.broker[0])
    return kind.checkups.checked(pipeline.broker, f"{pipeline.name} {part}", plan(pipeline))


def migrated(pipeline: Pipeline, part: str, goes_on: Callable[[], bool], accounted: Accounted) -> Mapping[str, int]:
    """See `Migrations`. Raises BrokerError."""
    kind = kind_of(pipeline.broker[0])
    return kind.migrations.migrated(pipeline.broker, f"{pipeline.name} {part}", plan(pipeline), goes_on, accounted)


def renamed(pipeline: Pipeline, part: str, goes_on: Callable[[], bool]) -> Mapping[str, int]:
    """See `Migrations`. Raises BrokerError."""
    kind = kind_of(pipeline.broker[0])
    return kind.migrations.renamed(pipeline.broker, f"{pipeline.name} {part}", plan(pipeline), goes_on)


def alone(pipeline: Pipeline, part: str) -> AbstractContextManager[Callable[[], None]]:
    """See `Migrations`. Raises BrokerError."""
    return kind_of(pipeline.broker[0]).migrations.alone(pipeline.broker, f"{pipeline.name} {part}")


def _either(words: Sequence[str], word: str = "or") -> str:
    *others, last = words
    return f"{', '.join(others)} {word} {last}" if others else last
