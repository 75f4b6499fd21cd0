"""Schemas as the components of one document: each file once, under a name, and every `$ref` to it there.

Left out: what the document is for (see `intake.openapi`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from runner.validation.marks import SENSITIVE
from runner.validation.schema import Judge
from runner.validation.subschemas import rebased

PLACE = "#/components/schemas/"


class Bundle:
    """Schemas by the names that it gives them, beside those that are `given`."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.schemas = dict(given)
        self._names: dict[str, str] = {}

    def add(self, schema: Judge, name: str) -> dict[str, str]:
        """Take in a schema and the files that it refers to. `name` is its own, if it is in no file. Returns
        a reference to it."""
        documents = schema.documents
        for uri, document in documents.items():
            if uri not in self._names:
                self._names[uri] = self._free(_stem(uri) or name)
                self.schemas[self._names[uri]] = document
        for uri, document in documents.items():
            if self.schemas[self._names[uri]] is document:
                self.schemas[self._names[uri]] = self._moved(document, uri)
        return {"$ref": PLACE + self._names[next(iter(documents))]}

    def _free(self, stem: str) -> str:
        numbered = (f"{stem}_{number}" for number in range(2, len(self.schemas) + 3))
        return stem if stem not in self.schemas else next(name for name in numbered if name not in self.schemas)

    def _moved(self, schema: Any, base: str) -> Any:
        """With `$ref`s that lead to the same places from there. What has an `$id` stays: they start at that."""
        if isinstance(schema, list):
            return [self._moved(item, base) for item in schema]
        if not isinstance(schema, dict) or rebased(schema, base) != base:
            return schema
        moved = {key: self._moved(value, base) for key, value in schema.items() if key != "$schema"}
        if isinstance(reference := schema.get("$ref"), str):
            uri, fragment = urldefrag(urljoin(base, reference) if base else reference)
            if uri in self._names and (not fragment or fragment.startswith("/")):
                moved["$ref"] = PLACE + self._names[uri] + fragment
        if SENSITIVE in schema:
            moved["writeOnly"] = True
        return moved


def _stem(uri: str) -> str:
    """A name from the file's, of the characters that one may have."""
    stem = PurePosixPath(unquote(urlsplit(uri).path)).name.removesuffix(".json")
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in stem)
