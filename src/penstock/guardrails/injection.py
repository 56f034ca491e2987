"""Text that tries to give orders to a model: the phrases such text is made of, the marks by which models tell who speaks, text
that people cannot see, and images that carry data away in their address.

A list of phrases stops what is copied from others, not an author who takes pains. It is one sign among several: what a tool
may do is held by policies on `touched`, which do not depend on any wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .found import Found, in_pieces

WHAT = "injection"


@dataclass(frozen=True, slots=True)
class Phrase:
    """`signs` are looked for first, in lower case: without one of them the pattern cannot match."""

    kind: str
    signs: tuple[str, ...]
    pattern: re.Pattern[str]


def find(text: str) -> Iterator[Found]:
    lowered = text.lower()
    for phrase in PHRASES:
        if any(sign in lowered for sign in phrase.signs):
            for match in in_pieces(phrase.pattern, text):
                yield Found(match.start(), match.end(), WHAT, phrase.kind)
    if not text.isascii():
        for match in in_pieces(_UNSEEN, text):
            yield Found(match.start(), match.end(), WHAT, "hidden_text")


def _phrase(kind: str, signs: str, pattern: str) -> Phrase:
    return Phrase(
        kind, tuple(signs.split("|")), re.compile(r"(?i)\b" + pattern if pattern[0] != "<" else "(?i)" + pattern)
    )


def _any(words: str) -> str:
    return f"(?:{words.replace(' ', '|').replace('_', ' ')})"


# Tags (U+E0000) spell invisible letters, but in the flags of some countries; zero-width characters in long rows spell bits.
_UNSEEN = re.compile(
    "(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0001-\U000e007f]{2,400}"
    "|[\u200b\u200c\u2060\ufeff]{8,400}|[\u202d\u202e]"
)
_GAP = r"\W{1,3}"
_SOME = r"(?:\w{1,15}\W{1,3}){0,5}?"
_IGNORE = _any("ignore ignoring disregard forget override bypass do_not_follow don't_follow")
_WHOSE = _any(
    "all any every each of the my your our these those other previous prior above earlier preceding foregoing former existing"
    " original system"
)
_ORDERS = _any("instruction prompt rule direction guideline command order guardrail restriction safet")
_YOU = rf"you(?:{_GAP}{_any('are will must shall should have_to')}|['’]ll|['’]re)\b"
_TELL = _any("tell telling inform informing mention mentioning notify notifying alert alerting reveal revealing")
_SHOW = _any("reveal print show repeat output leak display send disclose")
_ROLES = _any("im_start im_end im_sep start_header_id end_header_id eot_id").replace(" ", "_")
_ANTERIOR = _any("anterior previ precedent")

PHRASES = (
    _phrase(
        "override",
        "ignor|disregard|forget|overrid|bypass|do not follow|don't follow",
        rf"{_IGNORE}{_GAP}(?:about{_GAP})?(?:{_WHOSE}{_GAP}){{1,6}}(?:\w{{1,20}}{_GAP})?{_ORDERS}",
    ),
    _phrase(
        "override",
        "ignorier",
        rf"ignoriere?n?{_GAP}{_SOME}{_any('vorherigen bisherigen obigen vorigen')}{_GAP}{_any('anweisung regel befehl')}",
    ),
    _phrase(
        "override",
        "ignor",
        rf"ignore[zr]?{_GAP}{_SOME}{_any('instructions? consignes? règles?')}{_GAP}{_any('précédent antérieur ci-dessus')}",
    ),
    _phrase(
        "override",
        "ignor",
        rf"ignor[ae]{_GAP}{_SOME}{_any('instrucciones istruzioni instruções órdenes')}{_GAP}{_ANTERIOR}",
    ),
    _phrase(
        "persona",
        "you are now|from now on",
        rf"(?:you are now{_GAP}{_any('an? the in my no_longer free dan')}\b|from now on{_GAP}{_YOU})",
    ),
    _phrase(
        "persona",
        " mode|do anything now",
        rf"(?:{_any('enter enable activate switch_to you_are_in')}{_GAP}{_any('developer dan debug god jailbreak')}"
        rf"{_GAP}mode|do anything now)\b",
    ),
    _phrase(
        "reveal",
        "prompt|instruction",
        rf"{_SHOW}{_GAP}{_SOME}(?:{_any('system hidden initial secret original')}{_GAP}{_any('prompt instruction message')}"
        rf"|your{_GAP}{_any('instructions prompt')})",
    ),
    _phrase(
        "conceal",
        "user|human|anyone|operator|anybody",
        rf"(?:do not|don['’]t|never|without){_GAP}{_TELL}{_GAP}{_SOME}{_any('user human anyone anybody operator')}\b",
    ),
    Phrase(
        "speaker",
        ("<|", "<<sys>>", "[inst]", "[/inst]", "<system", "<important"),
        re.compile(
            rf"(?i)<\|(?:{_ROLES}|system|user|assistant|end|endoftext)\|>|<<SYS>>|\[/?INST\]"
            r"|<(?:system(?:[-_ ](?:prompt|message|reminder|instructions?))?|important)>"
        ),
    ),
    Phrase(
        "carry_off",
        ("](http",),
        re.compile(r"!\[[^\]\n]{0,200}+\]\(https?://[^)\s?]{1,150}+\?[^)\s=]{1,60}+=[^)\s]{0,60}"),
    ),
)
