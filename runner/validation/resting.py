"""A schema for bodies as they lie on a queue: sealed, with tokens where values were.

It takes every body that the schema itself took before it was sealed, and is the same
elsewhere: what depends on a sealed value was judged then, and can't be judged again. So a
subschema of a sealed value takes everything that a token could stand for, and a condition on one is
left open.
"""

from __future__ import annotations

from typing import Any

from runner.validation.marks import SENSITIVE, Place, marked_places, takes_no_container
from runner.validation.subschemas import Documents, Part, reach, rebased

_NO_CONTAINER = {"type": ["string", "number", "boolean", "null"]}


class Relaxing:
    """Makes the documents of a schema those for sealed bodies. `root` is the place of a whole body."""

    def __init__(self, documents: Documents, root: Place) -> None:
        self._documents = documents
        sealed = [place for place in marked_places(root) if place.show]
        self._sealed = {id(part.schema) for place in sealed for part in place.entries}
        self._has_forms = {id(part.schema) for place in sealed if place.forms for part in place.entries}
        """Those of values that may be objects or lists instead, which have marks of their own."""

    def document(self, document: Any, base: str) -> Any:
        return self._relaxed(document, base)

    def _relaxed(self, schema: Any, base: str) -> Any:
        if isinstance(schema, list):
            return [self._relaxed(item, base) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if SENSITIVE in schema:
            return _NO_CONTAINER if takes_no_container(schema) else True
        if id(schema) in self._has_forms:
            return {"anyOf": [_NO_CONTAINER, self._within(schema, base)]}
        return True if id(schema) in self._sealed else self._within(schema, base)

    def _within(self, schema: dict[str, Any], base: str) -> dict[str, Any]:
        base = rebased(schema, base)
        loose = {key: self._relaxed(value, base) for key, value in schema.items()}
        return self._without_conditions(schema, loose, base)

    def _without_conditions(self, schema: dict[str, Any], loose: dict[str, Any], base: str) -> dict[str, Any]:
        more: list[Any] = []
        if self._depends(schema.get("not"), base):
            del loose["not"]
        if self._depends(schema.get("contains"), base):
            loose.pop("maxContains", None)
        if any(self._depends(one, base) for one in _list(schema.get("oneOf"))):
            more.append({"anyOf": loose.pop("oneOf")})
        if self._depends(schema.get("if"), base):
            condition, then, other = (loose.pop(key, True) for key in ("if", "then", "else"))
            more.append({"anyOf": [{"allOf": [condition, then]}, other]})
        return {**loose, "allOf": [*_list(loose.get("allOf")), *more]} if more else loose

    def _depends(self, schema: Any, base: str) -> bool:
        """Whether a subschema says something about a sealed value."""
        if not isinstance(schema, dict):
            return False
        return reach([Part(schema, base, self._documents)], lambda one: id(one) in self._sealed)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
