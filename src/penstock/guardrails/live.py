"""Redaction of text that comes in pieces and is shown as it comes.

Nothing is shown while it may still become part of something that is taken out. The end of what has come is held back: at least
as many characters as the longest thing that may hold a space, from there on back to the last space, since a key or a token has
none; and a private key that has begun, until it ends. So what is shown, put together, is what redacting the whole at once gives.
"""

from __future__ import annotations

from collections.abc import Collection

from .detect import find
from .found import REACH, Found

HELD = REACH  # characters held back
BEHIND = 2 * REACH  # characters already shown that are looked at again, for what stands before a word
_OPENING = "-----BEGIN"


class LiveText:
    """One text. `what` names what detectors look for."""

    def __init__(self, what: Collection[str]) -> None:
        self._what = what
        self._text = ""
        self._shown = 0  # characters of the text that were shown, or replaced

    def more(self, piece: str) -> str:
        """What may be shown, now that `piece` has come too."""
        self._text += piece
        if len(self._text) - self._shown <= HELD:
            return ""
        found = self._found()
        return self._show(self._cut(found), found)

    def rest(self) -> str:
        """What is left to show when nothing more comes."""
        return self._show(len(self._text), self._found())

    def _show(self, end: int, found: list[Found]) -> str:
        out, at = [], self._shown
        for one in found:
            if one.start >= end:
                break
            if one.end > at:
                out += (self._text[at : max(at, one.start)], f"[redacted:{one.kind}]")
                at = one.end
        out.append(self._text[at:end])
        self._shown = max(end, at)
        return "".join(out)

    def _cut(self, found: list[Found]) -> int:
        """How far the text may be shown."""
        end = len(self._text) - HELD
        while end > self._shown and not self._text[end - 1].isspace():
            end -= 1
        if "secrets" in self._what:
            opening = self._text.rfind(_OPENING, max(0, self._shown - len(_OPENING)), end)
            if opening >= 0 and "-----END" not in self._text[opening:]:
                end = opening
        for one in found:
            if one.start < end < one.end:
                end = one.start
        return max(end, self._shown)

    def _found(self) -> list[Found]:
        start = max(0, self._shown - BEHIND)
        while start > 0 and not self._text[start - 1].isspace():
            start -= 1
        found = find(self._text[start:], self._what)
        return [Found(one.start + start, one.end + start, one.what, one.kind) for one in found]
