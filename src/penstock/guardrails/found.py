"""What a detector found, and the two ways of looking that are linear in the text whatever it says.

`at_anchors` goes from one literal to the next with `str.find` and tries a pattern only there; the character before must not
continue the same word, so a long word is tried once. Patterns are bounded or possessive: none goes back over what it read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PIECE = 64 * 1024  # characters that one pass of a pattern without an anchor goes over
REACH = 512  # characters by which such a pattern may go beyond its piece


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """`start` and `end` count characters of the text. `what` is secrets, pii or injection; `kind` says more."""

    start: int
    end: int
    what: str
    kind: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A thing known by how it begins: `anchors` are the literals, `pattern` is tried at each and its group 1, else all of it, is
    what is found. `joins` are the characters that would make it part of a longer word when one stands before it. `fits` has
    the last word."""

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    joins: str = "word"  # word (letters, digits, _ and -), letters (and digits), or nothing
    fits: Callable[[str], bool] | None = None


def at_anchors(rule: Rule, text: str, what: str) -> Iterator[Found]:
    for anchor in rule.anchors:
        at = text.find(anchor)
        while at >= 0:
            following = at + len(anchor)
            if at == 0 or not _joined(text[at - 1], rule.joins):
                match = rule.pattern.match(text, at)
                if match is not None:
                    group = 1 if rule.pattern.groups else 0
                    following = max(following, match.end())
                    if rule.fits is None or rule.fits(match.group(group)):
                        yield Found(match.start(group), match.end(group), what, rule.kind)
            at = text.find(anchor, following)


def _joined(before: str, joins: str) -> bool:
    if joins == "nothing":
        return False
    return before.isalnum() or (joins == "word" and before in "_-")


def in_pieces(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Matches of a pattern that has no literal to look for, piece by piece, so that no single pass takes long. No match may be
    longer than REACH."""
    for start in range(0, len(text), PIECE):
        for match in pattern.finditer(text, start, min(len(text), start + PIECE + REACH)):
            if match.start() >= start + PIECE:
                break
            yield match


def merged(found: list[Found]) -> list[Found]:
    """In order, and of those that overlap the one that begins first, extended over the others."""
    out: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if out and one.start < out[-1].end:
            if one.end > out[-1].end:
                last = out[-1]
                out[-1] = Found(last.start, one.end, last.what, last.kind)
            continue
        out.append(one)
    return out
