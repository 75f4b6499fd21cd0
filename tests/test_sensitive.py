"""A body on its way to a queue and back: what is sensitive in it is sealed, masked, opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from runner.errors import ForeignSealError
from runner.privacy.keyset import make_keys
from runner.privacy.sealed import Masked, Revealed, read_token
from runner.privacy.sealing import Sealer
from runner.sensitive import Inward, Outward, holds_tokens, sealed_whole, without_forbidden
from runner.validation.schema import Schema

NUMBER = {"type": "string", "pattern": "^[0-9]{12,19}$", "x-sensitive": {"show": "last4"}}
SCHEMA = Schema(
    {
        "properties": {
            "cardNo": NUMBER,
            "cards": {"items": {"properties": {"number": NUMBER, "cvv": {"x-forbidden": True}}}},
            "cvv": {"x-forbidden": True},
        }
    }
)
CARD, OTHER = "4111111111111111", "4222222222222222"


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    make_keys(tmp_path / "keys")
    return Sealer(tmp_path / "keys")


def outward(body: Any, id: str = "p1") -> Outward:
    return Outward(body, SCHEMA.marks, id)


def sealed(sealer: Sealer, body: Any, id: str = "p1") -> Any:
    """`body` as it lies on a queue, parsed."""
    going = outward(body, id)
    going.seal(sealer)
    assert not going.faults
    return orjson.loads(going.text())


def taken(sealer: Sealer, body: Any, *reveal: str, id: str = "p1") -> Any:
    """What a handler gets of a body from a queue."""
    coming = Inward(body, SCHEMA.marks)
    assert not coming.faults
    coming.open(id, reveal, sealer)
    return coming.body


def test_what_is_marked_is_sealed_wherever_it_is_and_nothing_else(sealer: Sealer) -> None:
    body = {"cardNo": CARD, "cards": [{"number": OTHER, "name": "b"}], "note": "x", "n": [1, 2.5, None, True]}
    lying = sealed(sealer, body)
    assert lying | {"cardNo": 0, "cards": 0} == body | {"cardNo": 0, "cards": 0}
    assert lying["cards"][0]["name"] == "b"
    tokens = read_token(lying["cardNo"]), read_token(lying["cards"][0]["number"])
    assert [token and token.mask for token in tokens] == ["····1111", "····2222"]
    assert body["cardNo"] == CARD, "a handler's own object is left as it is"


def test_a_handler_gets_masks_or_what_it_reveals(sealer: Sealer) -> None:
    lying = sealed(sealer, {"cardNo": CARD, "cards": [{"number": OTHER}]})
    body = taken(sealer, lying, "cards.number")
    assert isinstance(body["cardNo"], Masked)
    assert body["cardNo"] == "····1111"
    assert isinstance(body["cards"][0]["number"], Revealed)
    assert body["cards"][0]["number"] == OTHER


def test_a_masked_value_passes_through_handlers_untouched(sealer: Sealer) -> None:
    lying = sealed(sealer, {"cardNo": CARD})
    body = taken(sealer, dict(lying))
    assert sealed(sealer, {**body, "note": "seen"}, "p1.3") == lying | {"note": "seen"}


def test_a_revealed_value_that_is_passed_on_keeps_its_token_and_a_new_one_gets_its_own(sealer: Sealer) -> None:
    lying = sealed(sealer, {"cardNo": CARD})
    body = taken(sealer, dict(lying), "cardNo")
    assert sealed(sealer, body) == lying
    changed = sealed(sealer, body | {"cardNo": OTHER})
    assert taken(sealer, changed, "cardNo")["cardNo"] == OTHER


def test_a_revealed_value_is_sealed_where_no_schema_asks_for_it(sealer: Sealer) -> None:
    body = taken(sealer, sealed(sealer, {"cardNo": CARD}), "cardNo")
    moved = Outward({"deep": [body["cardNo"]]}, None, "p1")
    moved.seal(sealer)
    assert CARD.encode() not in moved.text()
    coming = Inward(orjson.loads(moved.text()), None)
    assert coming.open("p1", ["deep"], sealer) == (CARD,)


def test_a_masked_value_elsewhere_is_only_its_mask(sealer: Sealer) -> None:
    body = taken(sealer, sealed(sealer, {"cardNo": CARD}))
    assert sealed(sealer, {"card": body["cardNo"], "list": [body["cardNo"]]}) == {
        "card": "····1111",
        "list": ["····1111"],
    }


def test_tokens_pass_through_a_queue_whose_schema_marks_nothing(sealer: Sealer) -> None:
    lying = sealed(sealer, {"cardNo": CARD})
    coming = Inward(orjson.loads(orjson.dumps(lying)), None)
    coming.open("p1", [], sealer)
    going = Outward(coming.body, None, "p1")
    going.seal(sealer)
    assert orjson.loads(going.text()) == lying


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"cardNo": 4111111111111111}, "/cardNo must be a string, since it is sealed"),
        ({"cardNo": [CARD]}, "/cardNo must be a string, since it is sealed"),
        ({"cardNo": "····1111"}, "/cardNo is the mask of a sealed value, not the value itself"),
        (
            {"cards": [{}, {"number": "········"}]},
            "/cards/1/number is the mask of a sealed value, not the value itself",
        ),
    ],
)
def test_what_can_not_be_sealed_is_a_fault(body: Any, fault: str) -> None:
    assert [str(one) for one in outward(body).faults] == [fault]


def test_nothing_is_nothing_to_seal(sealer: Sealer) -> None:
    assert sealed(sealer, {"cardNo": None}) == {"cardNo": None}
    assert taken(sealer, {"cardNo": None}) == {"cardNo": None}


def test_a_masked_value_can_not_become_that_of_another_field_or_message(sealer: Sealer) -> None:
    lying = sealed(sealer, {"cardNo": CARD})
    masked = taken(sealer, lying)["cardNo"]
    assert str(outward({"cards": [{"number": masked}]}).faults[0]) == (
        "/cards/0/number is sealed for /cardNo; only a stage that reveals it can move it"
    )
    assert "is sealed for another message" in str(outward({"cardNo": masked}, "p2").faults[0])


def test_a_token_that_somebody_moved_on_the_queue_opens_nowhere(sealer: Sealer) -> None:
    lying = sealed(sealer, {"cardNo": CARD})
    for body, to in (({"cards": [{"number": lying["cardNo"]}]}, "p1"), (lying, "p2")):
        with pytest.raises(ForeignSealError):
            taken(sealer, body, "cardNo", "cards.number", id=to)


# -- judging by schemas -----------------------------------------------------------------------


def test_values_are_judged_as_they_were_before_they_were_sealed(sealer: Sealer) -> None:
    for body, wrong in (({"cardNo": CARD}, []), ({"cardNo": "x"}, ["/cardNo must match the pattern ^[0-9]{12,19}$"])):
        going = outward(body)
        going.seal(sealer)
        assert [str(one) for one in going.violations(SCHEMA)] == wrong
        assert b"sealed.1." in going.text(), "afterwards it is sealed again"


def test_values_are_judged_beside_others_that_are_sealed_already(sealer: Sealer) -> None:
    masked = taken(sealer, sealed(sealer, {"cardNo": CARD}))["cardNo"]
    for number, wrong in ((OTHER, []), ("x", ["/cards/0/number breaks its schema"])):
        going = outward({"cardNo": masked, "cards": [{"number": number}]})
        going.seal(sealer)
        assert [str(one) for one in going.violations(SCHEMA)] == wrong


def test_a_queue_that_marks_nothing_judges_the_token_that_it_gets(sealer: Sealer) -> None:
    for schema, wrong in (({"type": "string"}, 0), ({"pattern": "^[0-9]+$"}, 1)):
        going = outward({"cardNo": CARD})
        going.seal(sealer)
        assert len(going.violations(Schema({"properties": {"cardNo": schema}}))) == wrong


def test_routes_see_masks() -> None:
    going = outward({"cardNo": CARD, "note": "x"})
    going.show_masks()
    assert going.body == {"cardNo": "····1111", "note": "x"}


# -- whatever a handler may return ------------------------------------------------------------


@dataclass
class Payment:
    cardNo: str  # noqa: N815 - as the schema has it
    due: date


def test_whatever_becomes_json_is_sealed_as_json(sealer: Sealer) -> None:
    lying = sealed(sealer, {"cards": ({"number": CARD},), "due": date(2026, 11, 26), "m": MappingProxyType({"a": 1})})
    assert lying["cards"][0]["number"].startswith("sealed.1.")
    assert (lying["due"], lying["m"]) == ("2026-11-26", {"a": 1})
    from_class = sealed(sealer, Payment(CARD, date(2026, 11, 26)))
    assert from_class["cardNo"].startswith("sealed.1.")
    assert from_class["due"] == "2026-11-26"


@pytest.mark.parametrize("body", [{"a": object()}, {1: "a"}, {"a": {Revealed(CARD, "····", "t", None): 1}}])  # type: ignore[arg-type]
def test_what_json_can_not_hold_is_a_type_error(body: Any) -> None:
    with pytest.raises(TypeError):
        outward(body).text()


# -- what comes from a queue ------------------------------------------------------------------


def test_plaintext_where_something_has_to_be_sealed_is_a_fault(sealer: Sealer) -> None:
    lying = sealed(sealer, {"cardNo": CARD})
    for number in (CARD, 4111111111111111, [lying["cardNo"]], lying["cardNo"].replace("····1111", CARD)):
        assert str(Inward({"cardNo": number}, SCHEMA.marks).faults[0]).startswith("/cardNo has to be sealed")


def test_a_mask_that_shows_more_than_the_schema_allows_is_a_fault() -> None:
    token = f"sealed.1.a1b2c3d4.{'n' * 16}.{'c' * 43}.j···@example.com"
    assert str(Inward({"cardNo": token}, SCHEMA.marks).faults[0]) == "/cardNo shows more than it may"


def test_tokens_are_recognized_in_what_a_stranger_sends_wherever_they_are() -> None:
    for body in ("sealed.1.x", ["sealed.2.x"], {"a": {"b": ["sealed.1.x"]}}):
        assert holds_tokens(body)
    assert holds_tokens(orjson.loads(b"[" * 1000 + b'"sealed.1.x"' + b"]" * 1000))
    assert not holds_tokens({"sealed.1.x": 1, "a": ["sealed.", 1, None]})


# -- what can't be trusted to be sealed -------------------------------------------------------


@pytest.mark.parametrize("payload", [b"not json 4111111111111111", b'{"cardno": "4111111111111111"}', b"\xff"])
def test_what_breaks_its_schema_is_sealed_whole_and_opens_again(sealer: Sealer, payload: bytes) -> None:
    assert SCHEMA.marks is not None
    text = orjson.loads(sealed_whole(payload, SCHEMA.marks, "p1", sealer))
    token = read_token(text)
    assert token is not None
    assert token.mask == "········"
    assert sealer.open(token, "p1", "") == payload


def test_forbidden_members_are_removed_and_the_rest_is_kept() -> None:
    assert SCHEMA.marks is not None
    body = {"cvv": "123", "cards": [{"cvv": 1, "number": "x"}], "note": {"cvv": "kept: nothing forbids it there"}}
    left = orjson.loads(without_forbidden(orjson.dumps(body), SCHEMA.marks))
    assert left == {"cards": [{"number": "x"}], "note": body["note"]}
    assert without_forbidden(b'{ "a": 1 }', SCHEMA.marks) == b'{ "a": 1 }'
    assert without_forbidden(b"not json", SCHEMA.marks) == b"not json"


def test_of_a_pair_only_the_item_that_is_marked_is_sealed(sealer: Sealer) -> None:
    schema = Schema({"properties": {"pair": {"prefixItems": [NUMBER, {"type": "integer"}]}}})
    going = Outward({"pair": [CARD, 1999, OTHER]}, schema.marks, "p1")
    going.seal(sealer)
    assert not going.faults
    assert not going.violations(schema)
    number, *others = going.body["pair"]
    assert read_token(number) is not None
    assert others == [1999, OTHER]
    assert not Inward(going.body, schema.marks).faults
    assert schema.resting.is_valid(going.body)
    assert not schema.resting.is_valid({"pair": [number, "1999"]})


def test_a_schema_that_does_not_mark_what_another_one_seals_says_so(sealer: Sealer) -> None:
    going = outward({"cardNo": CARD, "n": "one"})
    going.seal(sealer)
    short = Schema({"properties": {"cardNo": {"maxLength": 19}, "n": {"type": "integer"}}})
    assert {str(one) for one in going.violations(short)} == {
        "/cardNo is sealed, and this schema doesn't mark it x-sensitive",
        "/n must be an integer",
    }
    assert going.violations(Schema({"properties": {"cardNo": {"type": "string"}}})) == ()


def test_every_forbidden_item_of_a_list_is_removed() -> None:
    marks = Schema({"properties": {"pins": {"items": {"x-forbidden": True}}}}).marks
    assert marks is not None
    assert without_forbidden(b'{"pins": [1, 2, 3], "a": 1}', marks) == b'{"pins":[],"a":1}'
    second = Schema({"prefixItems": [{}, {"x-forbidden": True}]}).marks
    assert second is not None
    assert without_forbidden(b"[1, 2, 3]", second) == b"[1,3]"


@pytest.mark.parametrize(("levels", "left"), [(100, b'{"next":' * 100 + b"{}" + b"}" * 100), (1000, b"null")])
def test_what_is_forbidden_is_removed_however_deep_it_is(levels: int, left: bytes) -> None:
    marks = Schema({"properties": {"next": {"$ref": "#"}, "cvv": {"x-forbidden": True}}}).marks
    assert marks is not None
    payload = b'{"next":' * levels + b'{"cvv":"123"}' + b"}" * levels
    assert without_forbidden(payload, marks) == left


# -- A value of several forms -----------------------------------------------------------------

FORMS = Schema(
    {
        "properties": {
            "card": {
                "maxLength": 19,
                "oneOf": [
                    NUMBER,
                    {"type": "object", "properties": {"number": NUMBER}, "additionalProperties": False},
                    {"type": "array", "items": NUMBER, "maxItems": 2},
                ],
            }
        }
    }
)


@pytest.mark.parametrize("card", [CARD, {"number": CARD}, [CARD, OTHER], None, {}])
def test_a_sealed_value_may_be_an_object_or_a_list_instead_with_marks_of_its_own(sealer: Sealer, card: Any) -> None:
    going = Outward({"card": card}, FORMS.marks, "p1")
    going.seal(sealer)
    lying = orjson.loads(going.text())
    assert not going.faults
    assert (going.violations(FORMS) == ()) == (card is not None)
    assert CARD not in str(lying)
    assert OTHER not in str(lying)
    if card is not None:
        assert FORMS.resting.is_valid(lying)
    coming = Inward(lying, FORMS.marks)
    assert not coming.faults
    coming.open("p1", ["card", "card.number"], sealer)
    assert coming.body == {"card": card}


@pytest.mark.parametrize(
    "card", [CARD, int(CARD), {"number": CARD}, [CARD], [[CARD]], {"other": CARD}, [{"number": 1}]]
)
def test_in_none_of_its_forms_it_lies_on_a_queue_in_the_clear(card: Any) -> None:
    assert Inward({"card": card}, FORMS.marks).faults or not FORMS.resting.is_valid({"card": card})


@pytest.mark.parametrize("card", [{"number": CARD}, [CARD]])
def test_where_only_a_text_may_stand_an_object_or_a_list_is_refused(card: Any) -> None:
    assert outward({"cardNo": card}).faults
    assert Inward({"cardNo": card}, SCHEMA.marks).faults
