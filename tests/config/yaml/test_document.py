"""A document knows the place of each of its values; how they are read is in `test_parser`."""

from __future__ import annotations

from runner.config.yaml.document import Document, Node

# As of a file with two lines, "queues:" and "  a: {max_length: 5}".
LENGTH = Node(5, (2, 19), "5")
A = Node({"max_length": 5}, (2, 6), children={"max_length": LENGTH}, keys={"max_length": (2, 7)})
QUEUES = Node({"a": A.value}, (2, 3), children={"a": A}, keys={"a": (2, 3)})
DOCUMENT = Document(
    "p.yaml", Node({"queues": QUEUES.value}, (1, 1), children={"queues": QUEUES}, keys={"queues": (1, 1)}), ()
)


def test_a_trail_leads_to_a_value_or_to_none() -> None:
    assert DOCUMENT.node(("queues", "a", "max_length")) is LENGTH
    assert DOCUMENT.node(("queues", "b", "max_length")) is None
    assert DOCUMENT.node(()) is DOCUMENT.root


def test_a_value_stands_at_one_place_and_its_key_at_another() -> None:
    trail = ("queues", "a", "max_length")
    assert (DOCUMENT.place(trail), DOCUMENT.place(trail, key=True)) == ((2, 19), (2, 7))


def test_what_is_missing_stands_at_the_key_of_its_parent() -> None:
    assert DOCUMENT.place(("queues", "a", "type")) == (2, 3)
    assert DOCUMENT.place(("stages", "s")) == (1, 1)


def test_a_problem_is_one_line_with_its_place() -> None:
    problem = DOCUMENT.problem(("queues", "a", "max_length"), "queue a: this\nwon't do", severity="warning")
    assert str(problem) == "p.yaml:2:19: warning: queue a: this won't do"


def test_texts_have_the_shape_of_the_value() -> None:
    written = Node([7, None], (1, 1), children={0: Node(7, (1, 2), "007"), 1: Node(None, (1, 7), "~")})
    assert Node({"n": written.value}, (1, 1), children={"n": written}).texts == {"n": ["007", "~"]}
