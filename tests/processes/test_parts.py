"""Which parts of a pipeline a run starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.pipeline import Address, Http, Mailbox, Pipeline, Stage
from runner.processes.parts import UnknownPartError, parts_of

HTTP = Http(Address("127.0.0.1", 0), ())
MAILBOX = Mailbox(Address("127.0.0.1", 0), Path("/mails"))
STAGES = {name: Stage(name, name, "m:f") for name in ("validate", "process", "send")}


def pipeline(*, http: Http | None = HTTP, mailbox: Mailbox | None = MAILBOX) -> Pipeline:
    return Pipeline("p", Path("/p.yaml"), ("embedded:/b",), {}, STAGES, http=http, mailbox=mailbox)


def test_without_names_everything_in_the_file_is_wanted() -> None:
    parts = parts_of(pipeline())
    assert (parts.intake, parts.mailbox, parts.stages) == (HTTP, MAILBOX, tuple(STAGES.values()))


def test_what_the_file_lacks_is_not_wanted() -> None:
    parts = parts_of(pipeline(http=None, mailbox=None))
    assert (parts.intake, parts.mailbox) == (None, None)


def test_only_what_is_named_is_wanted_in_the_order_of_the_file() -> None:
    parts = parts_of(pipeline(), ["send", "validate"])
    assert (parts.intake, parts.mailbox) == (None, None)
    assert [stage.name for stage in parts.stages] == ["validate", "send"]
    assert parts_of(pipeline(), ["mailbox"]).stages == ()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("proces", " (did you mean 'process'?); the parts are intake, mailbox, validate, process, send"),
        ("worker", "; the parts are intake, mailbox, validate, process, send"),
    ],
)
def test_a_name_that_is_not_in_the_file_is_reported_with_the_nearest_one(name: str, hint: str) -> None:
    with pytest.raises(UnknownPartError) as caught:
        parts_of(pipeline(), [name])
    assert str(caught.value) == f"'{name}' is not a part of it{hint}"


def test_a_section_that_is_left_out_is_no_part() -> None:
    with pytest.raises(UnknownPartError, match="'intake' is not a part of it; the parts are mailbox, validate"):
        parts_of(pipeline(http=None), ["intake"])
