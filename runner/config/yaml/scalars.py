"""A plain scalar of YAML → its value, by the core schema of YAML 1.2 (chapter 10.3).

Left out on purpose: infinities and NaN, which JSON doesn't have; numbers with leading zeros
and very long ones, which are more likely names of something.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,30})|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,16}")
_WHOLE = r"(?:0|[1-9][0-9]*)"
_EXPONENT = r"[eE][-+]?[0-9]{1,3}"
_FLOAT = re.compile(rf"[-+]?(?:(?:\.[0-9]+|{_WHOLE}\.[0-9]*)(?:{_EXPONENT})?|{_WHOLE}{_EXPONENT})")
_CONSTANTS: Mapping[str, Any] = (
    dict.fromkeys(["", "~", "null", "Null", "NULL"])
    | dict.fromkeys(["true", "True", "TRUE"], True)
    | dict.fromkeys(["false", "False", "FALSE"], False)
)


def resolve(text: str) -> Any:
    """The value of a plain scalar: null, a boolean, a number, or the text itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
