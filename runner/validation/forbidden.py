"""What a schema marks `x-forbidden`: no branch of it lets such a member in.

Its mark is `false` to the validator, which refuses it wherever the subschema has to hold. Where it only may
(one form of several, a condition), another branch would take the member: then bodies are searched for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from runner.validation.marks import FORBIDDEN, Place
from runner.validation.subschemas import Documents, Part, Subschema, reach, walk
from runner.validation.violations import Violation, not_allowed

_NAMES = ("$id", "$anchor", "$dynamicAnchor")
_MAY_HOLD = frozenset(
    ["anyOf", "oneOf", "not", "if", "then", "else", "contains", "dependentSchemas", "dependencies"],
)


def without_forbidden(schema: Any) -> Any:
    """With `false` for what is marked; the same object where nothing is."""
    if isinstance(schema, dict):
        if schema.get(FORBIDDEN) is True:
            names = {name: schema[name] for name in _NAMES if name in schema}
            return {**names, "not": {}} if names else False  # a `$ref` may lead to it by its name
        return {key: without_forbidden(value) for key, value in schema.items()}
    return [without_forbidden(item) for item in schema] if isinstance(schema, list) else schema


def may_let_in(documents: Documents) -> bool:
    """Whether a member that is marked might pass by another branch."""
    for part in walk([documents.root], Part.below):
        branches = {keyword: value for keyword, value in part.schema.items() if keyword in _MAY_HOLD}
        if branches and reach(part._replace(schema=branches).below(), _forbids):
            return True
    return False


class Member(NamedTuple):
    """A member or an item, `holder[key]`, that may not be there."""

    holder: Any
    key: Any
    path: tuple[str | int, ...]
    """Names and indexes that lead to it."""
    known: tuple[str, ...]
    """Those of the names that the schema has, too."""


def forbidden_members(body: Any, root: Place) -> Iterator[Member]:
    """Those in a body; of several in a list the last one first, so that it can be removed."""
    waiting: list[tuple[Any, Place, tuple[str | int, ...], tuple[str, ...]]] = [(body, root, (), ())]
    while waiting:
        value, place, path, known = waiting.pop()
        for key, below in _members(value, place):
            names = (*known, key) if isinstance(key, str) and key in place.known else known
            if below.forbidden:
                yield Member(value, key, (*path, key), names)
            else:
                waiting.append((value[key], below, (*path, key), names))


def forbidden_violations(body: Any, root: Place) -> Iterator[Violation]:
    """The same, for their sender."""
    return (not_allowed(member.path, member.known) for member in forbidden_members(body, root))


def _members(value: Any, place: Place) -> list[tuple[str | int, Place]]:
    """The members and items of `value` where something may be marked, the last item first."""
    if isinstance(value, dict):
        return [(name, below) for name in value if (below := place.member(name)) is not None]
    if isinstance(value, list):
        return [(index, below) for index in reversed(range(len(value))) if (below := place.nth(index)) is not None]
    return []


def _forbids(schema: Subschema) -> bool:
    return schema.get(FORBIDDEN) is True
