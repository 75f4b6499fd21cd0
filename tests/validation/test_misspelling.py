"""Keywords and formats in a schema that resemble known ones."""

from __future__ import annotations

from runner.validation.misspelling import misspelt_formats, misspelt_keywords


def test_a_format_that_is_nearly_one_is_pointed_out() -> None:
    schema = {"properties": {"a": {"format": "e-mail"}, "b": {"anyOf": [{"format": "int32"}, {"format": "datetime"}]}}}
    assert list(misspelt_formats(schema)) == [
        "'e-mail' (did you mean 'email'?)",
        "'datetime' (did you mean 'date-time'?)",
    ]


def test_a_keyword_that_is_nearly_one_that_is_known_is_misspelt() -> None:
    schema = {
        "requird": ["a"],
        "x-owner": "we",
        "properties": {"requird": {"typ": "string"}, "type": {"enum": ["minimun"], "default": {"typo": 1}}},
        "allOf": [{"minimun": 3}, {"$ref": "#/$defs/a"}],
        "items": {"additionalPropertys": False},
        "$defs": {"a": {"not": {"MaxLength": 3}}},
    }
    assert list(misspelt_keywords(schema)) == [
        "'requird' (did you mean 'required'?)",
        "'typ' (did you mean 'type'?)",
        "'minimun' (did you mean 'minimum'?)",
        "'additionalPropertys' (did you mean 'additionalProperties'?)",
        "'MaxLength' (did you mean 'maxLength'?)",
    ]
    assert list(misspelt_keywords({"type": "object", "properties": {}, "const": {"typ": 1}})) == []
