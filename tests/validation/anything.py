"""Any schema and any body, for properties that hold for all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

CARD = "4111111111111111"
NAMES = st.sampled_from(["a", "b", "c1", CARD])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text("ab1\n é", max_size=4),
    st.sampled_from([0, 1.0, "a@b.example", "2020-01-01", "2020-13-01", CARD]),
)
BODIES = st.recursive(SCALARS, lambda c: st.lists(c, max_size=3) | st.dictionaries(NAMES, c, max_size=3), max_leaves=8)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    types = ["string", "integer", "number", "object", "array", "null", "boolean", ["string", "null"]]
    several = st.lists(inner, min_size=1, max_size=2)
    count = st.integers(0, 2)
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(types),
        "enum": st.lists(BODIES, min_size=1, max_size=3),
        "const": BODIES,
        "minimum": st.integers(-3, 3) | st.floats(-3, 3),
        "exclusiveMaximum": st.integers(-3, 3),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": count,
        "maxLength": count,
        "pattern": st.sampled_from(["^a", "b$", r"^\d+$", r"\w", r"^[^\s]*$", r"\p{L}"]),
        "format": st.sampled_from(["email", "date", "ipv4", "uri", "made-up"]),
        "minItems": count,
        "maxItems": count,
        "uniqueItems": st.booleans(),
        "items": inner,
        "prefixItems": several,
        "contains": inner,
        "minContains": count,
        "maxContains": count,
        "properties": st.dictionaries(NAMES, inner, max_size=2),
        "required": st.lists(NAMES, max_size=2, unique=True),
        "additionalProperties": inner,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "1$", r"\d"]), inner, max_size=1),
        "propertyNames": inner,
        "minProperties": count,
        "maxProperties": count,
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=1),
        "dependentSchemas": st.dictionaries(NAMES, inner, max_size=1),
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "unevaluatedProperties": inner,
        "unevaluatedItems": inner,
    }
    return st.fixed_dictionaries({}, optional=keywords)


SCHEMAS = st.recursive(st.booleans() | objects(st.booleans()), objects, max_leaves=4)
