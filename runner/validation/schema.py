"""JSON Schemas, compiled: is a body valid, and if not, what to tell its sender.

`jsonschema_rs` gives the verdict, on the hot path; `jsonschema` words the refusal,
and is imported only for one. Nothing is ever fetched from the network: a `$ref`
points to a place in the same file or to a file beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import jsonschema_rs

from runner.paths import FileReadError, read_file
from runner.pipeline import JsonSchema
from runner.validation.violations import UNEXPLAINED, Violation, explain, first
from runner.wording import did_you_mean, shown

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from runner.validation.marks import Place

LARGEST_FILE = 4 << 20
"""Bytes of one schema's file."""
MOST_DIGITS = 1000
"""Of a whole number. Reading them takes time by their square."""


class SchemaError(ValueError):
    """A schema can't be used; the text says why, for its author.

    `trail` leads to the faulty part of the schema, as far as that is known; `line` and
    `column`, from 1, to the place in a file that isn't JSON (else 0).
    """

    def __init__(self, reason: str, *, trail: Sequence[str | int] = (), line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.trail = tuple(trail)
        self.line = line
        self.column = column


class Judge:
    """Decides on bodies by one document, and says what is wrong with those that it refuses.

    `files` finds the other documents that it refers to; `barred` has the members that no body may have,
    whatever the document says of them. Raises SchemaError.
    """

    def __init__(
        self, document: dict[str, Any] | bool, base_uri: str, files: _Files, barred: Place | None = None
    ) -> None:
        self._document = document
        self._base_uri = base_uri
        self._files = files
        self._compiled = _compile(document, base_uri, files)
        self.is_valid: Callable[[Any], bool] = self._compiled.is_valid
        """Whether a body (as JSON is parsed: dict, list, str, …) is valid."""
        self._barred = barred
        if barred is not None:
            is_valid = self.is_valid
            self.is_valid = lambda body: is_valid(body) and not any(self._barred_in(body))

    def violations(self, body: Any) -> tuple[Violation, ...]:
        """What is wrong with `body`: one to `MOST` violations if it isn't valid, which repeat
        nothing of the body. Never raises, and takes a bounded time."""
        try:
            if self.is_valid(body):
                return ()
        except ValueError:
            return (Violation("", "is nested too deeply"),)
        from runner.validation.diagnosis import within_budget

        diagnostic, barred = self._diagnostic, self._barred_in(body)
        try:
            with within_budget():
                return first((*barred, *explain(diagnostic, body))) or (UNEXPLAINED,)
        except Exception:  # noqa: BLE001 - out of budget, RecursionError, …: the verdict stands, without its words
            return (UNEXPLAINED,)

    def breaks_at(self, body: Any) -> set[tuple[str | int, ...]]:
        """The places of values that are refused by themselves, as names and indexes. Where no value is
        allowed at all is none of them."""
        errors = self._compiled.iter_errors(body)
        none_allowed = jsonschema_rs.ValidationErrorKind.FalseSchema
        return {tuple(error.instance_path) for error in errors if not isinstance(error.kind, none_allowed)}

    def _barred_in(self, body: Any) -> Iterator[Violation]:
        if self._barred is not None:
            from runner.validation.forbidden import forbidden_violations

            yield from forbidden_violations(body, self._barred)

    @property
    def documents(self) -> Mapping[str, Any]:
        """Its document and those that it refers to, by the URIs where their `$ref`s start; its own first."""
        return {self._base_uri: self._document, **self._files.documents}

    @cached_property
    def _diagnostic(self) -> Validator:
        from runner.validation.diagnosis import diagnostic_validator

        return diagnostic_validator(self._document, self._base_uri, self._files)


class Schema(Judge):
    """A JSON Schema (draft 2020-12, unless `$schema` names another), ready for use.

    `document` is the schema itself. `base` is the file that contains it, or a folder:
    a relative `$ref` starts there. Formats are checked. Raises SchemaError.
    """

    def __init__(self, document: JsonSchema, *, base: Path | None = None) -> None:
        self.document = document if isinstance(document, bool) else dict(document)
        base_uri = "" if base is None else _uri(base)
        files = _Files()
        super().__init__(self.document, base_uri, files)
        self.marks: Place | None = None
        """What it marks as sensitive or forbidden; None: nothing."""
        self.resting: Judge = self
        """Judges bodies whose sensitive values are sealed."""
        if isinstance(self.document, dict) and _mentions_marks([self.document, *files.documents.values()]):
            self._read_marks(base_uri, files)

    @classmethod
    def load(cls, path: Path) -> Schema:
        """The schema in a JSON file. Raises SchemaError, with line and column for broken JSON."""
        return cls(read_schema(path), base=path)

    def _read_marks(self, base_uri: str, files: _Files) -> None:
        from runner.validation.forbidden import may_let_in, without_forbidden
        from runner.validation.marks import MarkError, find_marks
        from runner.validation.resting import Relaxing
        from runner.validation.subschemas import Documents

        read = {uri: without_forbidden(document) for uri, document in files.documents.items()}
        assert isinstance(self.document, dict)
        marked = Documents(self.document, base_uri, files.documents)
        try:
            self.marks = find_marks(marked)
        except MarkError as error:
            raise SchemaError(str(error)) from None
        if self.marks is None:
            return
        barred = self.marks if may_let_in(marked) else None
        super().__init__(without_forbidden(self.document), base_uri, _Files(read), barred)
        relax = Relaxing(marked, self.marks).document
        loose = {uri: without_forbidden(relax(document, uri)) for uri, document in files.documents.items()}
        self.resting = Judge(without_forbidden(relax(self.document, base_uri)), base_uri, _Files(loose), barred)


def _mentions_marks(documents: Iterable[Any]) -> bool:
    return any(word in json.dumps(document) for document in documents for word in ('"x-sensitive"', '"x-forbidden"'))


def read_schema(path: Path) -> JsonSchema:
    """The JSON Schema document in a file. Raises SchemaError."""
    try:
        document = _JSON.decode(read_file(path, LARGEST_FILE).decode("utf-8-sig"))
    except FileReadError as error:
        raise SchemaError(str(error)) from error
    except json.JSONDecodeError as error:
        raise SchemaError(f"isn't JSON: {error.msg}", line=error.lineno, column=error.colno) from error
    except UnicodeDecodeError as error:
        raise SchemaError(f"isn't UTF-8 text: byte {error.start}") from error
    except RecursionError as error:
        raise SchemaError("is nested too deeply") from error
    if not isinstance(document, (dict, bool)):
        raise SchemaError("is not a JSON Schema: it must be an object, or true or false")
    return document


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise SchemaError(f"has a number of {len(digits)} digits; it may have {MOST_DIGITS}")
    return int(digits)


_JSON = json.JSONDecoder(parse_int=_integer)


def file_uri(path: Path) -> str:
    """The `file:` URI of an absolute path, as `Path.as_uri` gives it (which in Python 3.14 imports urllib.request)."""
    return f"file://{quote(os.fsencode(path))}"


def _uri(base: Path) -> str:
    path = base.absolute()
    return file_uri(path) + "/" if path.is_dir() else file_uri(path)


# -- The verdict ------------------------------------------------------------------


def _compile(document: dict[str, Any] | bool, base_uri: str, files: _Files) -> jsonschema_rs.Validator:
    options: dict[str, Any] = {"base_uri": base_uri} if base_uri else {}
    try:
        return jsonschema_rs.validator_for(document, validate_formats=True, retriever=files, **options)
    except jsonschema_rs.ValidationError as error:
        raise SchemaError(files.failure or _why(error), trail=error.instance_path) from None
    except ValueError as error:
        raise SchemaError(f"can't be compiled: {error}") from None


class _Files:
    """Finds the schemas that a schema refers to: in files, and nowhere else. Each is read once."""

    def __init__(self, documents: Mapping[str, Any] | None = None) -> None:
        self.documents = dict(documents or {})
        """Those found, by URI."""
        self.failure = ""
        """Why the last one wasn't found; jsonschema_rs replaces our words."""

    def __call__(self, uri: str) -> Any:
        if uri not in self.documents:
            self.documents[uri] = self._read(uri)
        return self.documents[uri]

    def _read(self, uri: str) -> Any:
        parts = urlsplit(uri)
        try:
            if parts.scheme != "file":
                raise SchemaError("isn't fetched: only files are read")
            return read_schema(Path(unquote(parts.path)))
        except SchemaError as error:
            self.failure = f"refers to {uri}, which {error}"
            raise


def _why(error: jsonschema_rs.ValidationError) -> str:
    """In one line; jsonschema_rs would show the whole schema."""
    pointer = "".join(f"/{part}" for part in error.instance_path)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Referencing():
            return f"refers to something that doesn't exist: {error.message}"
        case jsonschema_rs.ValidationErrorKind.Pattern() | jsonschema_rs.ValidationErrorKind.Format():
            return f"is not a JSON Schema: {pointer} is {shown(error.instance)}, which is not a regular expression"
    known = (
        did_you_mean(error.instance, _TYPES) if isinstance(error.instance, str) and pointer.endswith("/type") else ""
    )
    return f"is not a JSON Schema: {pointer} is {shown(error.instance)}, which isn't allowed there{known}"


_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
