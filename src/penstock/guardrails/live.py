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
_OPENING, _CLOSING = "-----BEGIN", "-----END"


class LiveText:
    """One text. `what` names what detectors look for."""

    def __init__(self, what: Collection[str]) -> None:
        self._what = what
        self._text = ""
        self._shown = 0  # characters of the text that were shown, or replaced
        self._keys = 0  # where the next private key may begin

    def more(self, piece: str) -> str:
        """What may be shown, now that `piece` has come too."""
        self._text += piece
        if len(self._text) - self._shown <= HELD:
            return ""
        return self._show(self._cut())

    def rest(self) -> str:
        """What is left to show when nothing more comes."""
        return self._show(len(self._text))

    def _show(self, end: int) -> str:
        """The text up to `end`, and what is found across it whole."""
        out, at = [], self._shown
        for one in self._found() if end > self._shown else ():
            if one.start >= end:
                break
            if one.end > at:
                # What began before turns out to be longer: it has its mark already.
                mark = f"[redacted:{one.kind}]" if one.start >= self._shown else ""
                out += (self._text[at : max(at, one.start)], mark)
                at = one.end
        out.append(self._text[at:end])
        self._shown = max(end, at)
        return "".join(out)

    def _cut(self) -> int:
        """How far the text may be shown."""
        end = len(self._text) - HELD
        while end > self._shown and not self._text[end - 1].isspace():
            end -= 1
        if "secrets" in self._what and (opening := self._open_key()) is not None:
            end = min(end, opening)
        return max(end, self._shown)

    def _open_key(self) -> int | None:
        """Where a private key begins that has not ended yet."""
        while (opening := self._text.find(_OPENING, self._keys)) >= 0:
            last = self._text.find(_CLOSING, opening)
            end = self._text.find("-----", last + len(_CLOSING)) if last >= 0 else -1
            if end < 0:
                self._keys = opening
                return opening
            self._keys = end
        self._keys = max(self._keys, len(self._text) - len(_OPENING))
        return None

    def _found(self) -> list[Found]:
        start = max(0, self._shown - BEHIND)
        while start > 0 and not self._text[start - 1].isspace():
            start -= 1
        found = find(self._text[start:], self._what)
        return [Found(one.start + start, one.end + start, one.what, one.kind) for one in found]
