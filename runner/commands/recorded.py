"""What stages have recorded, as it is given on the command line: `payment=declined`."""

from __future__ import annotations

from typing import Any

import click
import orjson

from runner.errors import RunnerError
from runner.pipeline import Pipeline


def fact_of(pipeline: Pipeline, text: str) -> tuple[str, Any]:
    """The name and the value. Raises RunnerError for a name that no stage records."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} has no '='; write NAME=VALUE, such as payment=declined")
    names = sorted({known for stage in pipeline.stages.values() for known in stage.record})
    if name not in names:
        known = f"; recorded are {', '.join(names)}" if names else ""
        raise RunnerError(f"no stage of {pipeline.file} records {name}{known}")
    return name, _value(value)


def _value(text: str) -> Any:
    """As JSON, where it is; else as text: nobody quotes `declined` on a command line."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
