"""JSON Schemas, compiled: is a body valid, and if not, what to say to its sender.

`jsonschema_rs` gives the verdict, on the hot path; `jsonschema` words the refusal,
and is only imported for one. Nothing is ever fetched from the network: a `$ref`
leads to a place in the same file or to a file beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import jsonschema_rs

from runner import faults
from runner.config.model import JsonSchema
from runner.faults import Fault

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["Fault", "Schema", "SchemaError"]


class SchemaError(ValueError):
    """A schema can't be used; the text says why, for its author.

    `trail` leads to the part of the schema that is to blame, as far as that is known;
    `line` and `column`, from 1, to the place in a file that isn't JSON (else 0).
    """

    def __init__(self, reason: str, *, trail: Sequence[str | int] = (), line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.trail = tuple(trail)
        self.line = line
        self.column = column


class Schema:
    """A JSON Schema (draft 2020-12, unless `$schema` names another), ready to be asked.

    `document` is the schema itself. `base` is the file that it stands in, or a folder:
    where a relative `$ref` starts. Formats are checked. Raises SchemaError.
    """

    def __init__(self, document: JsonSchema, *, base: Path | None = None) -> None:
        self._document = document if isinstance(document, bool) else dict(document)
        self._base_uri = "" if base is None else _uri(base)
        self._compiled = _compile(self._document, self._base_uri)
        self.is_valid: Callable[[Any], bool] = self._compiled.is_valid
        """Whether a body (as JSON is parsed: dict, list, str, …) is valid."""

    @classmethod
    def load(cls, path: Path) -> Schema:
        """The schema in a JSON file. Raises SchemaError, with line and column for broken JSON."""
        return cls(read(path), base=path)

    def faults(self, body: Any) -> tuple[Fault, ...]:
        """Everything wrong with `body`, at least one fault if it isn't valid, without a word of it."""
        if self.is_valid(body):
            return ()
        return self._worded(body) or self._unworded(body)

    def _worded(self, body: Any) -> tuple[Fault, ...]:
        """Nothing where jsonschema can't follow: it has other regular expressions, and
        other limits of depth."""
        try:
            return faults.explain(self._explainer, body)
        except Exception:  # noqa: BLE001 - re.error, RecursionError, …: the verdict stands, only its words are missing
            return ()

    def _unworded(self, body: Any) -> tuple[Fault, ...]:
        errors = self._compiled.iter_errors(body)
        found = [faults.unexplained(error.kind.name, error.instance_path, error.schema_path) for error in errors]
        return tuple(dict.fromkeys(found))

    @cached_property
    def _explainer(self) -> Validator:
        return _explainer(self._document, self._base_uri)


def read(path: Path) -> JsonSchema:
    """The JSON Schema document in a file. Raises SchemaError."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise SchemaError(f"can't be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise SchemaError(f"isn't JSON: {error.msg}", line=error.lineno, column=error.colno) from error
    except UnicodeDecodeError as error:
        raise SchemaError(f"isn't UTF-8 text: byte {error.start}") from error
    except RecursionError as error:
        raise SchemaError("is nested too deeply") from error
    if not isinstance(document, (dict, bool)):
        raise SchemaError("is no JSON Schema: it must be an object, or true or false")
    return document


def _uri(base: Path) -> str:
    path = base.absolute()
    return path.as_uri() + "/" if path.is_dir() else path.as_uri()


# -- The verdict ------------------------------------------------------------------


def _compile(document: dict[str, Any] | bool, base_uri: str) -> jsonschema_rs.Validator:
    options: dict[str, Any] = {"base_uri": base_uri} if base_uri else {}
    try:
        return jsonschema_rs.validator_for(document, validate_formats=True, retriever=_retrieve, **options)
    except jsonschema_rs.ValidationError as error:
        raise SchemaError(_why(error), trail=error.instance_path) from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaError(f"can't be compiled: {error}") from None


def _retrieve(uri: str) -> Any:
    """A schema that another one refers to: a file, and nothing else."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise ValueError(f"only files are read, nothing is fetched from {uri}")
    return read(Path(unquote(parts.path)))


def _why(error: jsonschema_rs.ValidationError) -> str:
    """jsonschema_rs shows the whole schema; a line is enough."""
    place = "".join(f"/{part}" for part in error.instance_path)
    return f"doesn't compile: {error.message}" + (f" (at {place})" if place else "")


# -- The words ----------------------------------------------------------------------


def _explainer(document: JsonSchema, base_uri: str) -> Validator:
    """A validator of the package jsonschema that sees formats and patterns as
    jsonschema_rs does, and reads the same files."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012, specification_with

    kind: Any = validators.validator_for(document, default=Draft202012Validator)
    draft = specification_with(kind.META_SCHEMA["$schema"], default=DRAFT202012)
    keywords = {"format": _asks("format"), "pattern": _asks("pattern"), "properties": _properties}
    kind = validators.extend(kind, keywords)  # type: ignore[no-untyped-call]
    if not base_uri:
        return kind(document)  # type: ignore[no-any-return]
    files: Registry[Any] = Registry(retrieve=lambda uri: draft.create_resource(_retrieve(uri)))  # type: ignore[call-arg]
    resource = draft.create_resource(document)
    return kind({"$ref": base_uri}, registry=files.with_resource(base_uri, resource))  # type: ignore[no-any-return]


def _asks(keyword: str) -> Callable[..., Iterator[Any]]:
    """The keyword for jsonschema, as jsonschema_rs understands it."""

    def check(_validator: Validator, asked: Any, instance: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and not _keyword(keyword, asked).is_valid(instance):
            from jsonschema import ValidationError

            yield ValidationError("")

    return check


def _properties(validator: Any, asked: Mapping[str, Any], instance: Any, _schema: Any) -> Iterator[Any]:
    """As jsonschema has it, but that a member whose schema is `false` is named."""
    from jsonschema import ValidationError

    for name in [name for name in asked if name in instance] if isinstance(instance, dict) else ():
        if asked[name] is False:
            yield ValidationError("", validator=faults.FALSE, path=[name], schema_path=[name])
        else:
            yield from validator.descend(instance[name], asked[name], path=name, schema_path=name)


@lru_cache(maxsize=256)
def _keyword(keyword: str, asked: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({keyword: asked}, validate_formats=True)
