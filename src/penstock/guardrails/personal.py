"""Personal data in text, known by its form and, where there is one, by its check digits: e-mail addresses, telephone numbers,
IBANs (ISO 13616, mod 97), payment cards (ISO/IEC 7812, Luhn), social security numbers of the USA, and public IP addresses.

Names and addresses of people have no form; finding them takes a language model, and is left to a policy's own step.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from .found import Found, in_pieces

WHAT = "pii"
LOCAL, DOMAIN = 64, 255  # characters of the two parts of an address (RFC 5321)

_AT = re.compile(r"@|%40|\\u0040")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,10}[^\W\d_]{2,24}(?![\w-])")
_PHONE = re.compile(
    r"(?<![\w+/=.-])"
    r"(?:\+(?=[1-9])(?P<world>\d(?:[ ()./-]{0,2}\d){7,14})|(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4})(?![\w-])(?!\.\d)"
)
_CALLING = re.compile(  # country codes of ITU-T E.164
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[789]\d|8[0578]\d|9[679]\d"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?= ?[A-Z0-9])")
_CARD = re.compile(r"(?<![\w.+/-])[2-6]\d(?:[ -]?\d){12,17}(?![\w]|[.-]\d)")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")

_LENGTHS = {  # of IBANs, by country
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FK", "FO", "FI", "GL", "NL", "SD"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "MN", "XK"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "IQ", "OM", "SO", "TL"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "GT", "HN", "HU", "LB", "NI", "PL", "SV"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    "LC": 32,
    "RU": 33,
}


def find(text: str) -> Iterator[Found]:
    yield from _emails(text)
    if not any(digit in text for digit in "0123456789"):
        return
    for match in in_pieces(_PHONE, text):
        world = match.group("world")
        if world is None or (_CALLING.match(world) and _plausible(world)):
            yield Found(match.start(), match.end(), WHAT, "phone")
    yield from _ibans(text)
    for match in in_pieces(_CARD, text):
        if _is_card(re.sub(r"\D", "", match.group())):
            yield Found(match.start(), match.end(), WHAT, "card")
    if "-" in text:
        for match in in_pieces(_SSN, text):
            yield Found(match.start(), match.end(), WHAT, "ssn")
    for mark, pattern in ((".", _IPV4), (":", _IPV6)):
        if mark in text:
            for match in in_pieces(pattern, text):
                if _is_public(match.group()):
                    yield Found(match.start(), match.end(), WHAT, "ip")


def _emails(text: str) -> Iterator[Found]:
    if "@" not in text and "%40" not in text and "\\u0040" not in text:
        return
    behind = 0
    for at in _AT.finditer(text):
        start, least = at.start(), max(behind, at.start() - LOCAL)
        while start > least and (text[start - 1].isalnum() or text[start - 1] in "._%+-"):
            start -= 1
        while start < at.start() and text[start] in ".-%":  # the end of a sentence, a bullet
            start += 1
        if start == at.start():
            continue
        domain = _DOMAIN.match(text, at.end(), at.end() + DOMAIN)
        if domain is not None:
            behind = domain.end()
            yield Found(start, behind, WHAT, "email")


def _plausible(number: str) -> bool:
    """A telephone number in its international form, and not a decimal number or a sum: 1.50, 12345678.9."""
    digits = sum(c.isdigit() for c in number)
    return 8 <= digits <= 15 and not re.fullmatch(r"\d*[.,/]\d*", number)


def _ibans(text: str) -> Iterator[Found]:
    for match in in_pieces(_IBAN, text):
        length = _LENGTHS.get(match.group()[:2])
        if length is None:
            continue
        at, written = match.start(), ""
        while at < len(text) and len(written) < length:
            if text[at].isascii() and text[at].isalnum():
                written += text[at]
            elif text[at] != " " or text[at - 1] == " ":
                break
            at += 1
        ends = at >= len(text) or not text[at].isalnum()
        if len(written) == length and ends and mod_97(written) == 1:
            yield Found(match.start(), at, WHAT, "iban")


def mod_97(iban: str) -> int:
    """The remainder of ISO 7064: 1 for a right IBAN."""
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97


def luhn(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_card(digits: str) -> bool:
    lengths = {"2": (16,), "4": (16, 19), "5": (16,), "6": (16, 17, 18, 19)}.get(digits[0], ())
    if digits[0] == "3":
        lengths = (15,) if digits[:2] in ("34", "37") else (14, 16)
    return len(digits) in lengths and len(set(digits)) > 1 and luhn(digits)


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
