"""Reading YAML: values as in YAML 1.2, each fault in words and with its place."""

from __future__ import annotations

from typing import Any

import pytest

from runner.config.yaml.document import Document
from runner.config.yaml.parser import UnreadableError, parse_yaml
from tests.config.files import places


def read(text: str | bytes, **environ: str) -> Document:
    return parse_yaml(text if isinstance(text, bytes) else text.encode(), "p.yaml", environ)


def value(text: str, **environ: str) -> Any:
    document = read(text, **environ)
    assert not document.problems
    return document.root.value


def faults(text: str | bytes, **environ: str) -> list[str]:
    try:
        return [str(problem) for problem in read(text, **environ).problems]
    except UnreadableError as error:
        return [str(problem) for problem in error.problems]


# -- values -------------------------------------------------------------------------


def test_quoted_text_is_text() -> None:
    assert value("""[ "1", '2', "true", '', "a\\tb" ]""") == ["1", "2", "true", "", "a\tb"]


def test_text_in_lines_of_its_own_is_text() -> None:
    assert value("a: |\n  1\n  2\nb: >\n  3\n  4\n") == {"a": "1\n2\n", "b": "3 4\n"}


def test_keys_are_always_text() -> None:
    assert value("1: a\ntrue: b\nnull: c\non: d\n") == {"1": "a", "true": "b", "null": "c", "on": "d"}


def test_a_tag_can_make_a_value_text_and_do_nothing_else() -> None:
    assert value("a: !!str 12") == {"a": "12"}
    expected = "p.yaml:1:4: the tag '!!python/name:os.system' isn't understood here; quote a value to make it text"
    assert faults("a: !!python/name:os.system x") == [expected]


def test_aliases_and_merges_repeat_what_is_written_once() -> None:
    text = "base: &base {x: 1, y: 2}\na: {<<: *base, y: 3}\nb: {<<: [{y: 0}, *base]}\nc: *base\n"
    assert value(text) == {
        "base": {"x": 1, "y": 2},
        "a": {"y": 3, "x": 1},
        "b": {"y": 0, "x": 1},
        "c": {"x": 1, "y": 2},
    }


def test_a_quoted_merge_key_is_a_key() -> None:
    assert value('"<<": {x: 1}') == {"<<": {"x": 1}}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read(b"\xef\xbb\xbfa: 1").root.value == {"a": 1}
    assert read("a: 1\r\nb: 2\r\n").place(("b",)) == (2, 4)


def test_every_value_and_key_knows_its_place() -> None:
    text, marks = places("a: ¦{b: [1, ¦two]}\n¦c:\n  ¦d: ¦|\n    text\n")
    document = read(text)
    trails = [document.place(("a",)), document.place(("a", "b", 1)), document.place(("c",), key=True)]
    assert [*trails, document.place(("c", "d"), key=True), document.place(("c", "d"))] == marks


def test_what_is_missing_stands_where_the_key_of_its_nearest_parent_does() -> None:
    text, [mark] = places("a:\n  ¦b: {c: 1}\n")
    assert read(text).place(("a", "b", "x", "y")) == mark


# -- variables ----------------------------------------------------------------------


def test_a_variable_is_read_as_it_would_be_in_its_place() -> None:
    text = 'a: ${N}\nb: "${N}"\nc: ${E:-}\nd: ${T}\ne: x${N}\nf: ${L}\n'
    found = value(text, N="12", T="true", L="[1, {a: b}]")
    assert found == {"a": 12, "b": "12", "c": None, "d": True, "e": "x12", "f": "[1, {a: b}]"}


def test_keys_keep_their_dollar_signs() -> None:
    assert value("$ref: x\n${A}: y\n$$: z\n") == {"$ref": "x", "${A}": "y", "$$": "z"}


def test_a_missing_variable_is_reported_where_it_is_used() -> None:
    text, marks = places('a: ¦${X}\nb: "é $${Y} ¦${Y}"\nc: |\n  line\n  more ¦${Z}\nd: {e: [1, "\\x41 ¦${W}"]}\n')
    found = read(text).problems
    assert [(problem.line, problem.column) for problem in found] == marks
    assert str(found[0]) == "p.yaml:1:4: the variable X isn't set; set it, or give a default: ${X:-...}"


def test_a_variable_behind_an_escape_is_reported_where_its_text_begins() -> None:
    assert faults('a: "\\x24{X}"') == ["p.yaml:1:4: the variable X isn't set; set it, or give a default: ${X:-...}"]


def test_a_variable_that_is_not_unicode_is_a_fault() -> None:
    expected = "p.yaml:1:4: this text has half of a surrogate pair in it, which isn't valid Unicode"
    assert faults("a: ${X}", X="\udcff") == faults('a: "\\ud800"') == [expected]


def test_a_lone_dollar_sign_before_a_name_in_capitals_is_doubtful() -> None:
    [problem] = read("a: $HOME\nb: $home\nc: x$HOME\n").problems
    assert str(problem) == (
        "p.yaml:1:4: warning: $HOME is taken literally; write ${HOME} for the variable, or $$HOME for the text"
    )


def test_what_is_written_is_kept_for_those_who_want_text() -> None:
    document = read("a: 0123\nb: [1.50, {c: ~}]\nd: '4'\ne: ${N}\n", N="007")
    assert document.root.texts == {"a": "0123", "b": ["1.50", {"c": "~"}], "d": "4", "e": "007"}


# -- what YAML allows and a pipeline does not ------------------------------------------


@pytest.mark.parametrize(
    ("marked", "reason"),
    [
        ("a: 1\n¦---\nb: 2\n", "a second document begins here; a pipeline is one document"),
        ("? ¦[a]\n: b\n", "a key must be text; quote text that begins with '{' or '['"),
        ("a: {¦{b}}\n", "a key must be text; quote text that begins with '{' or '['"),
        ("a: 1\nb: 2\n¦a: 3\n", "key 'a' is given twice, first on line 1; remove one"),
        ("a: &x 1\nb: ¦*y\n", "alias *y names an anchor that isn't defined above"),
        ("a: &base 1\nb: ¦*bse\n", "alias *bse names an anchor that isn't defined above (did you mean 'base'?)"),
        ("a: &x [1, ¦*x]\n", "alias *x is inside what it names"),
        ("a: {¦<<: 1}\n", "'<<' takes a mapping, or a list of mappings"),
        ("a: ¦${X\n", "'${' is never closed; write ${NAME}, or $${ for the text itself"),
    ],
)
def test_a_fault_is_explained_at_its_place(marked: str, reason: str) -> None:
    text, [(line, column)] = places(marked)
    assert faults(text) == [f"p.yaml:{line}:{column}: {reason}"]


def test_text_in_another_encoding_is_explained() -> None:
    assert faults("a: 1\nb: ü".encode("latin-1")) == ["p.yaml:2:4: this isn't UTF-8 text; save the file as UTF-8"]


def test_deep_nesting_is_refused_before_it_hurts() -> None:
    assert faults("[" * 100_000) == ["p.yaml:1:52: this is nested more than 50 deep"]


def test_aliases_cannot_multiply_without_bound() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    assert faults(bomb) == ["p.yaml:15:6: aliases make this more than 50000 values"]


def test_what_came_before_a_fault_is_reported_with_it() -> None:
    assert [fault.split(": ")[0] for fault in faults("a: ${X}\nb: [1\n")] == ["p.yaml:1:4", "p.yaml:3:1"]
