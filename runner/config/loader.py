"""`pipeline.yaml` → a pipeline whose handlers, schemas and routes are known to work.

`runner check` and `runner run` both come through here: what `check` accepts, `run` starts
(the network apart).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from runner.config import grammar
from runner.config.checks import problems_of
from runner.config.draft import Draft, draft_pipeline
from runner.config.finding import finding_problems
from runner.config.production import production_problems
from runner.config.sealing import sealing_problems
from runner.config.yaml.document import Document
from runner.config.yaml.parser import UnreadableError, parse_yaml
from runner.config.yaml.variables import Source
from runner.errors import ConfigError, Problem, Severity, Trail
from runner.handlers.binding import bind
from runner.handlers.factory import HandlerFactory
from runner.handlers.problems import HandlerError
from runner.paths import FileReadError, read_file
from runner.pipeline import Pipeline, Queue, Stage
from runner.privacy.sealing import Sealer
from runner.validation.misspelling import misspelt_formats, misspelt_keywords
from runner.validation.schema import Schema, SchemaError
from runner.wording import did_you_mean

LARGEST_FILE = 1 << 20
"""Bytes."""


MAIL_HANDLER = "runner.library.mail:SendMail"
"""Sends the mails of `alerts`."""
MOST_FILES = 1000
"""Files among which the one that was probably meant is looked for."""
MOST_MISSPELT = 20
"""How many misspelt words of one schema are reported."""


@dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """A pipeline with everything that it names, ready for use."""

    pipeline: Pipeline
    handlers: Mapping[str, HandlerFactory]
    """By the name of the stage."""
    schemas: Mapping[str, Schema]
    """By the name of the queue, for those that have one."""
    warnings: tuple[Problem, ...] = ()
    sealer: Sealer | None = None
    """Seals and opens with the keys that the file names; None: it names none."""
    mailer: HandlerFactory | None = None
    """What sends the mails of `alerts`; None: there are none."""


def load(path: Path | str, *, environ: Mapping[str, str] = os.environ, mends_keys: bool = False) -> LoadedPipeline:
    """The pipeline in the file at `path`, its variables replaced from `environ`.

    Imports the handlers, from the file's folder first, and builds each once (and discards it),
    so that it has seen its settings. Raises ConfigError with every problem, including warnings,
    in the order of the file. `mends_keys`: with keys that production refuses, too.
    """
    path = Path(path)
    document = read_document(path, environ)
    if misplaced := list(_misplaced_secrets(document)):  # so that no later check shows one in its message
        raise ConfigError(sorted([*document.problems, *misplaced]))
    breaches = list(grammar.breaches(document))
    invalid = frozenset(breach.trail for breach in breaches if not breach.usable)
    draft = draft_pipeline(document, path.absolute(), invalid)
    references = _References(draft)
    problems = [
        *document.problems,
        *(document.problem(breach.trail, breach.message, key=breach.key) for breach in breaches),
        *draft.problems,
        *problems_of(draft),
        *references.problems(),
        *sealing_problems(draft, references.schemas),
        *finding_problems(draft, references.schemas),
        *production_problems(draft, mends_keys=mends_keys),
    ]
    problems.sort()
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems)
    pipeline = references.pipeline()
    sealer = None if pipeline.keys is None else Sealer(pipeline.keys)
    return LoadedPipeline(pipeline, references.handlers, references.schemas, tuple(problems), sealer, references.mailer)


def read_document(path: Path, environ: Mapping[str, str]) -> Document:
    """The YAML document in the file at `path`. Raises ConfigError if it isn't one."""
    try:
        document = parse_yaml(read_file(path, LARGEST_FILE), str(path), environ)
    except FileReadError as error:
        advice = "" if path.exists() else "; name another file, or write a pipeline with 'runner new FOLDER'"
        raise _unreadable(path, f"{error}{advice}") from None
    except UnreadableError as error:
        raise ConfigError(error.problems) from None
    if document.root.value is None and not document.problems:
        raise _unreadable(path, "is empty; a pipeline has at least 'queues'")
    return document


def _misplaced_secrets(document: Document) -> Iterator[Problem]:
    """Only what stays hidden wherever a pipeline is shown, logged or drawn may come from a file."""
    for trail, _ in document.root.secrets(Source.FILE):
        if not _stays_hidden(trail):
            message = (
                "comes from a file, which makes it a secret, and it would be shown; only broker, ledger, settings and "
                "the secrets of signatures may come from one"
            )
            yield document.problem(trail, f"{grammar.subject(trail)} {message}")


def _stays_hidden(trail: Trail) -> bool:
    match trail:
        case ("broker" | "ledger", *_) | ("stages", _, "settings", _, *_) | ("alerts", "mail", "settings", _, *_):
            return True
        case ("http", "routes", _, "verify", "secrets", _) | ("alerts", "webhook", "secret"):
            return True
    return False


def _unreadable(path: Path, reason: str) -> ConfigError:
    return ConfigError([Problem(str(path), 0, 0, reason)])


def _read_schema(path: Path) -> Schema | SchemaError:
    try:
        return Schema.load(path)
    except SchemaError as error:
        return error


def _unchecked(schema: Schema) -> Iterator[str]:
    """The misspelt words of the schema, at most `MOST_MISSPELT` of each kind."""
    for name in islice(misspelt_formats(schema.document), MOST_MISSPELT):
        yield f" has the format {name}, which nothing checks"
    for name in islice(misspelt_keywords(schema.document), MOST_MISSPELT):
        yield f" has the keyword {name}, which nothing checks"


class _References:
    """Loads what a draft names: schemas, routes and handlers, and what is wrong with them."""

    def __init__(self, draft: Draft) -> None:
        self._pipeline = draft.pipeline
        self._routes = draft.routes
        self._document = draft.document
        self.handlers: dict[str, HandlerFactory] = {}
        self.mailer: HandlerFactory | None = None
        self.schemas: dict[str, Schema] = {}

    def problems(self) -> Iterator[Problem]:
        yield from self._schemas()
        yield from self._whens()
        yield from self._handlers()
        yield from self._certificate()

    def pipeline(self) -> Pipeline:
        """The draft's pipeline, with settings as their handlers take them."""
        stages = {
            name: dataclasses.replace(stage, settings=self.handlers[name].settings)
            for name, stage in self._pipeline.stages.items()
        }
        alerts = self._pipeline.alerts
        if alerts is not None and alerts.mail is not None and self.mailer is not None:
            mail = dataclasses.replace(alerts.mail, settings=self.mailer.settings)
            alerts = dataclasses.replace(alerts, mail=mail)
        return dataclasses.replace(self._pipeline, stages=stages, alerts=alerts)

    def _schemas(self) -> Iterator[Problem]:
        """Reads each file once; what is wrong with it is reported for each queue that names it."""
        loaded: dict[Path, Schema | SchemaError] = {}
        warnings: dict[Path, list[str]] = {}
        for queue in self._pipeline.queues.values():
            if queue.schema is None:
                continue
            if queue.schema not in loaded:
                loaded[queue.schema] = found = _read_schema(queue.schema)
                warnings[queue.schema] = [] if isinstance(found, SchemaError) else list(_unchecked(found))
            schema = loaded[queue.schema]
            if isinstance(schema, SchemaError):
                place = f":{schema.line}:{schema.column}" if schema.line else ""
                yield self._of_schema(queue, f"{place} {schema}{self._near(queue.schema)}")
                continue
            self.schemas[queue.name] = schema
            yield from (self._of_schema(queue, message, "warning") for message in warnings[queue.schema])

    def _of_schema(self, queue: Queue, message: str, severity: Severity = "error") -> Problem:
        trail: Trail = ("queues", queue.name, "schema")
        file = self._document.node(trail)
        name = Path(self._document.file).parent / (file.value if file else "")
        return self._document.problem(trail, f"queue {queue.name}: schema {name}{message}", severity=severity)

    def _near(self, missing: Path) -> str:
        """A hint at the file that was probably meant, in the pipeline's folder or one right below it."""
        folder = self._pipeline.folder
        if os.path.exists(missing) or not missing.is_relative_to(folder):  # noqa: PTH110 - Path.exists raises for a name that is too long
            return ""
        there = (path for pattern in ("*.json", "*/*.json") for path in folder.glob(pattern))
        known = (str(path.relative_to(folder)) for path in islice(there, MOST_FILES))
        return did_you_mean(str(missing.relative_to(folder)), known)

    def _whens(self) -> Iterator[Problem]:
        for owner, routes in self._routes.items():
            for route in routes:
                try:
                    Schema(True if route.when is None else route.when)
                except SchemaError as error:
                    trail = (*route.trail, "when", *error.trail)
                    yield self._document.problem(trail, f"{grammar.subject(owner)}: this 'when' {error}")
                for name in islice(misspelt_keywords(route.when), MOST_MISSPELT):
                    message = f"{grammar.subject(owner)}: this 'when' has the keyword {name}, which nothing checks"
                    yield self._document.problem((*route.trail, "when"), message, severity="warning")

    def _handlers(self) -> Iterator[Problem]:
        for stage in self._pipeline.stages.values():
            if stage.handler:
                yield from self._bind_stage(stage)
        alerts = self._pipeline.alerts
        if alerts is not None and alerts.mail is not None:
            self.mailer = yield from self._bind(("alerts", "mail"), "alerts: mail", MAIL_HANDLER, alerts.mail.settings)

    def _bind_stage(self, stage: Stage) -> Iterator[Problem]:
        trail: Trail = ("stages", stage.name)
        factory = yield from self._bind(trail, f"stage {stage.name}", stage.handler, stage.settings)
        if factory is None:
            return
        self.handlers[stage.name] = factory
        if stage.reconcile and not factory.offers("look_up"):
            message = (
                f"stage {stage.name}: reconcile asks the handler's look_up, and {stage.handler} has no such method"
            )
            yield self._document.problem((*trail, "reconcile"), message, key=True)

    def _bind(
        self, trail: Trail, whose: str, handler: str, written: Mapping[str, Any]
    ) -> Generator[Problem, None, HandlerFactory | None]:
        """The handler with its settings, which stand below `trail`; None: something is wrong with them."""
        settings = self._document.node((*trail, "settings"))
        given = settings if written else None
        texts = given.texts if given else {}
        secrets = dict(given.secrets()) if given else {}
        try:
            factory = bind(handler, written, texts=texts, secrets=secrets, folder=self._pipeline.folder)
            factory.try_build()
        except HandlerError as error:
            for problem in error.problems:
                named = (*trail, "handler") if trail[0] == "stages" else trail
                place = (*trail, "settings", *problem.trail) if problem.trail else named
                if not self._is_reported(place):
                    yield self._document.problem(place, f"{whose}: {problem.message}", key=problem.is_name)
            return None
        return factory

    def _certificate(self) -> Iterator[Problem]:
        for part, listener in (("http", self._pipeline.http), ("console", self._pipeline.console)):
            if listener is None or listener.tls is None:
                continue
            from runner.certificates import faults_of  # which no other pipeline needs

            for fault in faults_of(listener.tls):
                severity: Severity = "error" if fault.serious else "warning"
                message = f"{part}: tls: {fault.message}"
                yield self._document.problem((part, "tls", fault.where), message, severity=severity)

    def _is_reported(self, trail: Trail) -> bool:
        """Whether something else is wrong there (a variable that isn't set)."""
        node = self._document.node(trail)
        return node is not None and node.broken
