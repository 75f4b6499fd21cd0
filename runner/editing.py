"""The body of a dead letter in an editor: what must not be shown stands there as its mask.

A mask that comes back untouched, where it was, is the value again, sealed as before. What is new is
checked and sealed like any other body. Values in, values out: left out is the editor.
"""

from __future__ import annotations

from typing import Any

import orjson

from runner.deadletters import DeadLetter
from runner.errors import RunnerError
from runner.json_text import parse_json
from runner.message import Outgoing
from runner.privacy.masking import mask
from runner.privacy.sealed import Masked
from runner.resending import resent
from runner.routing import Router
from runner.sensitive import Inward, Outward, Steps, holds_tokens, pointer, without_forbidden
from runner.validation.schema import Schema

_MASKED = ("···", "•••")
"""One of these stands in every mask: of a sealed value, of a card number, of an address."""


class NotEditableError(RunnerError):
    """A dead letter whose body can't be edited."""


class Draft:
    """The body of `letter` as its editor sees it; `schema` is that of its queue. Raises NotEditableError."""

    def __init__(self, letter: DeadLetter, schema: Schema | None) -> None:
        if letter.sealed:
            raise NotEditableError(f"its body is sealed as a whole: {letter.sealed}")
        if not letter.id:
            raise NotEditableError("it has no id that can be used; send its body with 'runner send'")
        self._letter = letter
        self._hidden: dict[Steps, tuple[Any, Any]] = {}
        """What stands in the text for a value, and the value."""
        self._lengths: dict[Steps, int] = {}
        marks = schema.marks if schema is not None else None
        try:
            payload = letter.shelved.payload
            inward = Inward(parse_json(payload if marks is None else without_forbidden(payload, marks)), None)
            inward.mask(letter.id)
            outward = Outward(inward.body, marks, letter.id)
            outward.show_masks()
            outward.hide_no_texts()
            shown = self._shown(outward.body, inward.body, ())
            self.text = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode() + "\n"
            self._shown_body = shown
        except (TypeError, ValueError, RecursionError):
            self.text = self._raw(letter.shelved.payload, marked=marks is not None)
            self._shown_body = None

    def messages(self, text: str, router: Router) -> list[Outgoing] | str:
        """What is published by `router` for the edited `text`, or why that is refused: with the message's own
        id and headers. Raises KeysError."""
        try:
            body = parse_json(text.encode())
        except (ValueError, RecursionError) as error:
            return f"it is not JSON: {error}"
        if holds_tokens(body):
            return "it has a text that begins like a sealed value, which nobody may write"
        problems: list[str] = []
        restored = self._restored(body, (), problems, at_home=True)
        if problems:
            return "; ".join(problems)
        return resent(self._letter, restored, orjson.dumps(restored), router)

    def is_unchanged(self, text: str) -> bool:
        """Whether nobody has written anything."""
        try:
            return text == self.text or (self._shown_body is not None and parse_json(text.encode()) == self._shown_body)
        except (ValueError, RecursionError):
            return False

    def _raw(self, payload: bytes, *, marked: bool) -> str:
        """The text of what is no JSON. What is in it nobody knows, so nothing could be put back."""
        text = payload.decode(errors="replace")
        if marked or mask(text) != text:
            raise NotEditableError("its body is no JSON, and holds or may hold what must not be shown")
        return text

    def _shown(self, value: Any, original: Any, steps: Steps) -> Any:
        if isinstance(value, dict):
            return {name: self._shown(value[name], original[name], (*steps, name)) for name in value}
        if isinstance(value, list):
            self._lengths[steps] = len(value)
            return [self._shown(value[n], original[n], (*steps, n)) for n in range(len(value))]
        shown = value
        if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
            masked = mask(str(value))
            shown = masked if masked != str(value) else value
        if shown != original or isinstance(original, Masked):
            self._hidden[steps] = (shown, original)
        return shown

    def _restored(self, value: Any, steps: Steps, problems: list[str], *, at_home: bool) -> Any:
        """With the values in the place of their masks, if they are still `at_home`."""
        if isinstance(value, dict):
            return {n: self._restored(v, (*steps, n), problems, at_home=at_home) for n, v in value.items()}
        if isinstance(value, list):
            same = at_home and self._lengths.get(steps) == len(value)
            return [self._restored(v, (*steps, n), problems, at_home=same) for n, v in enumerate(value)]
        hidden = self._hidden.get(steps) if at_home else None
        if hidden is not None and hidden[0] == value:
            return hidden[1]
        if isinstance(value, str) and any(sign in value for sign in _MASKED):
            problems.append(f"{pointer(steps) or 'the body'} is or holds a mask, not the value itself; write the value")
        return value
