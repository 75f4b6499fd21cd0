"""Card numbers in texts for people, however their digits are separated.

A card number has 12 to 19 digits, and its check digit is right (ISO/IEC 7812-1). A number
that fits this by chance, but is written as another kind of number, stays: a timestamp, an
article number, a UUID, an id of ours. At most the last four digits may be shown (PCI DSS
3.4.1). Left out: a number with other digits directly before or after it, since nothing
tells them apart.

Every step is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise
from unicodedata import digit

FEWEST, MOST = 12, 19
"""Digits of a card number."""
LONGEST_ARTICLE = 13
"""Digits of an article number."""

_KEPT = r"""
    (?<![0-9A-Za-z]) (?: [0-9a-f]{8} (?:-[0-9a-f]{4}){3} - [0-9a-f]{12}                       # a UUID
                       | (?=[0-9]*+[a-f]) (?:[0-9a-f]{32} | [0-9a-f]{40} | [0-9a-f]{64})      # an id of ours, a hash
                       ) (?![0-9A-Za-z])
    | (?<!\d) \d{4}-\d\d-\d\d [T ] \d\d:\d\d (?: :\d\d (?:[.,]\d{1,9})? )? (?!\d)             # a moment (ISO 8601)
"""
_MARKUP = r"""
    </?[A-Za-z][^<>@]{0,38}+>                                                                 # a tag of HTML
    | (?: \x1b | \\+(?:x1[Bb] | u001[Bb] | 033 | e) ) \[ [0-9;]{0,16}+ [A-Za-z]               # a terminal's colour
    | =(?:0[9AD] | 20 | 2[A-F] | 3D | 5F | [C-F][0-9A-F](?:=[89AB][0-9A-F]){1,3}) | =\r?\n      # quoted-printable
"""
_ESCAPE = rf"""
    {_MARKUP}
    | \\x[0-9A-Fa-f]{{2}} | \\u[0-9A-Fa-f]{{4}} | \\U[0-9A-Fa-f]{{8}} | \\+[abfnrtv]
    | \\u\{{[0-9A-Fa-f]{{1,6}}\}} | \\N\{{[A-Z0-9 -]{{1,36}}+\}} | \\[0-3][0-7]{{2}}
    | %(?:25)*+(?:0[9AaDd]|2[0-9A-Fa-f]|5[Ff]|[89A-Fa-f][0-9A-Fa-f]) | %u[0-9A-Fa-f]{{4}} | &(?:amp;)*+\#?\w{{1,8}};
"""
_LEADS = {"one": 1, "two": 2, "three": 3, "four": 4}
_LEAD = r"""
    (?P<one> \\x[A-Fa-f] | \\u00[A-Fa-f] | %[A-Fa-f]) | (?P<two> \\x | % | =(?=09|20|[89]\d))
    | (?P<three> \\(?=[0-3][0-7]{2})) | (?P<four> [\\%]u)
"""
"""An escape whose last digits, so many, may be taken for the first of what follows: `\xa04111`."""
_GAP = rf"(?: {_ESCAPE} | b(?=['\"]) | [^\w•] | _ | (?<!•) • (?!•) ){{1,16}}+"  # •••• is a mask's
_TOKEN = re.compile(
    rf"{_KEPT} | (?: {_LEAD} )?+ (?P<run> \d (?: \d | {_GAP} (?!{_KEPT}) \d ){{{FEWEST - 1},}}+ )", re.VERBOSE
)
"""What is left alone, or a run: enough digits for a card number, with what separates them."""
_GROUP = re.compile(rf"{_ESCAPE} | (?P<digits> \d+)", re.VERBOSE)
_TIGHT = re.compile(rf"[^:]|\s+|(?:{_ESCAPE})+", re.VERBOSE)
"""What may separate any two digits of a number; `', '` and the like separate only those of a regular one."""
_TYPED = re.compile(
    r"(?<![\dA-Fa-f.•])(?:\d{15,16}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{5})(?![\dA-Fa-f•])"
)
_BRAND = re.compile(
    r"(?=\d{16}$)(?:4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|6(?:0|2|4[4-9]|5)|35(?:2[89]|[3-8]))\d+|3[47]\d{13}"
)
"""Visa, Mastercard, Discover, UnionPay, JCB; American Express."""
_SHORT = re.compile(r"4\d{12}|(?:50(?:18|20|38)|5[678]|6304|639|67)\d+")
"""Old Visa, and Maestro: brands of cards with as few digits as an article number."""
_MOMENT = re.compile(
    r"1[5-9](?:\d{11}|\d{14}|\d{17})|20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])(?:[0-5]\d){1,2}\d*"
)
"""Milli-, micro- or nanoseconds from 2017 to 2033, or `20261123004844`."""
_MADE_UP = "1234567890123456789"
_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Digit → the sum of the digits of its double: 7 → 14 → 5."""


def mask_card_numbers(text: str) -> str:
    """`text` with each card number cut to its last four digits: `••••1111`.

    A number written like one of a known brand is cut even if its check digit is wrong: it is
    a mistyped card number.
    """
    masked = _cut_all(text)
    if masked.isascii():
        return masked
    plain = _plain(masked)
    return masked if (cut := _cut_all(plain)) == plain else cut


def _cut_all(text: str) -> str:
    return _TYPED.sub(_cut_brand, _TOKEN.sub(_cut_run, text))


def _plain(text: str) -> str:
    """With digits such as ² and ⑤, which are no decimals to Unicode, in ASCII."""
    odd = {ord(one): str(digit(one)) for one in set(text) if one.isdigit() and not one.isdecimal()}
    return text.translate(odd) if odd else text


def _is_card_number(digits: str) -> bool:
    """Whether `digits` (ASCII), whose check digit is right, don't look more like something else."""
    if len(digits.lstrip("0")) < FEWEST or _MOMENT.fullmatch(digits):
        return False
    return len(digits) > LONGEST_ARTICLE or bool(_SHORT.fullmatch(digits)) or not _is_article(digits)


def _is_article(digits: str) -> bool:
    """Whether the check digit is that of an article number (UPC, EAN: GS1 General Specifications, 7.9)."""
    return (sum(map(int, digits[::-2])) + 3 * sum(map(int, digits[-2::-2]))) % 10 == 0


def _ascii(digits: str) -> str:
    """Digits of any script, in ASCII."""
    return digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)


def _cut(digits: str) -> str:
    return "••••" + digits[-4:]


# -- Numbers within a run -----------------------------------------------------------------


def _cut_run(found: re.Match[str]) -> str:
    """The card numbers in a run, cut; overlapping ones are cut as one, since either may be the real one."""
    if found["run"] is None:
        return found[0]
    run = _Run(found["run"], next((size for name, size in _LEADS.items() if found[name]), 0))
    parts, end = [found[0].removesuffix(run.text)], 0
    for first, last in _merged(run.card_numbers()):
        parts += [run.text[end : run.groups[first][0]], _cut(run.digits[: run.ends[last]])]
        end = run.groups[last][1]
    return "".join([*parts, run.text[end:]])


def _merged(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in spans:
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


class _Run:
    """Groups of digits and what separates them; the first `lead` digits may be an escape's.

    Sums up to each place are kept, so that checking a number costs the same however many
    overlap.
    """

    def __init__(self, text: str, lead: int) -> None:
        self.text = text
        self.groups = [group.span() for group in _GROUP.finditer(text) if group["digits"]]
        start, end = self.groups[0]
        if 0 < lead < end - start:
            self.groups[:1] = [(start, start + lead), (start + lead, end)]
        self.digits = _ascii("".join(text[start:end] for start, end in self.groups))
        self.ends = list(accumulate(end - start for start, end in self.groups))
        loose = (a[1] < b[0] and not _TIGHT.fullmatch(text, a[1], b[0]) for a, b in pairwise(self.groups))
        self._loose = list(accumulate(loose, initial=0))
        plain, doubled = self.digits, self.digits.translate(_DOUBLED)
        by_place = [[int(plain[place]), int(doubled[place])] for place in range(len(plain))]
        self._sums = [
            list(accumulate((pair[(place + last) % 2] for place, pair in enumerate(by_place)), initial=0))
            for last in (0, 1)
        ]
        """Of the digits before a place, with every second one doubled. The last digit of a number
        isn't doubled, so it matters whether it is at an even or an odd place."""

    def card_numbers(self) -> Iterator[tuple[int, int]]:
        """The first and the last group of each. More digits in a row than any number has count as one, too."""
        for first, end in enumerate(self.ends):
            start = end - self._size(first)
            if end - start > MOST:
                yield first, first
            for last in range(first, min(first + MOST, len(self.ends))):
                length = self.ends[last] - start
                if length > MOST:
                    break
                if length >= FEWEST and self._is_card_number(start, self.ends[last]) and self._is_one(first, last):
                    yield first, last

    def _size(self, group: int) -> int:
        start, end = self.groups[group]
        return end - start

    def _is_card_number(self, start: int, end: int) -> bool:
        sums = self._sums[(end - 1) % 2]
        if (sums[end] - sums[start]) % 10 == 0:
            return _is_card_number(self.digits[start:end])
        return _MADE_UP.startswith(self.digits[start:end])

    def _is_one(self, first: int, last: int) -> bool:
        """Whether the groups may form one number: only a space or so separates them, or they
        stand alone, or they are grouped as on a card, or they are single digits."""
        if self._loose[last] == self._loose[first] or (first == 0 and last == len(self.groups) - 1):
            return True
        sizes = [self._size(group) for group in range(first, last + 1)]
        return sizes in ([4, 6, 5], [4, 6, 4]) or (set(sizes[:-1]) == {4} and sizes[-1] <= 4) or set(sizes) == {1}


def _cut_brand(found: re.Match[str]) -> str:
    digits = _ascii(re.sub(r"\D", "", found[0]))
    return _cut(digits) if _BRAND.fullmatch(digits) else found[0]
