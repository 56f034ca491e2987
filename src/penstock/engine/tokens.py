"""The words of an expression, and what is said when one is wrong.

Text -> tokens, each with its place. A token list ends with an `end` token. An expression inside a longer text ends at the
`}}` that closes its `${{`, which only a tokenizer finds: `}}` may also stand in a string or close two maps.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import Invalid, Problem

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\f]+|//[^\n]*)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<unsigned>[uU])?
    |(?P<raw>[rR])?(?P<quote>\"\"\"|'''|"|')
    |(?P<bytes>[bB][rR]?["']|[rR][bB]["'])
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"""\\(?:([abfnrtv\\?"'`])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|)"""
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class ExpressionError(Invalid):
    """An expression is wrong, or could not be computed. `position` is a 0-based offset into `source`."""

    code = "expr.invalid"

    def __init__(
        self, code: str, reason: str, source: str, position: int, *, pointer: str = "", hint: str | None = None
    ):
        shown = source if len(source) <= 120 else source[:117] + "..."
        where = f"${{{{ {shown} }}}} at character {position + 1}"
        message = f"{reason} (in {where}{', ' + pointer if pointer else ''})"
        super().__init__(message, code=code, problems=[Problem(code, message, pointer, hint)])
        self.reason = reason
        self.source = source
        self.position = position
        self.pointer = pointer
        self.hint = hint


class Fault(Exception):
    """What `ExpressionError` says, before the source is known. `position` None means that of the call."""

    def __init__(self, code: str, reason: str, position: int | None = None, hint: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.position = position
        self.hint = hint


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name closest to `word`, or None when none is close."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(word: str, known: Iterable[str]) -> str | None:
    close = nearest(word, known)
    return f"did you mean {close!r}?" if close else None


@dataclass(slots=True)
class Token:
    kind: str  # number, string, name, op, end
    value: Any
    position: int


def tokenize(text: str, start: int = 0, *, embedded: bool = False) -> tuple[list[Token], int]:
    """The tokens of `text` from `start`, and the offset behind them. `embedded`: stop at the }} that closes ${{.

    Positions count from `start`. Raises Fault.
    """
    out: list[Token] = []
    at, depth, size = start, 0, len(text)
    while at < size:
        found = _TOKEN.match(text, at)
        here = at - start
        if found is None:
            raise Fault("expr.syntax", f"unexpected character {text[at]!r}", here)
        kind = found.lastgroup
        at = found.end()
        if kind == "space":
            continue
        if kind == "unsigned":
            raise Fault("expr.syntax", "unsigned integers have no meaning in JSON", here, "drop the u")
        if kind == "number":
            out.append(Token("number", _number(found["number"], here), here))
        elif kind == "quote":
            value, at = _string(text, found["quote"], at, found["raw"] is not None, start)
            out.append(Token("string", value, here))
        elif kind == "bytes":
            raise Fault("expr.syntax", "byte strings have no meaning in JSON", here)
        elif kind == "name":
            out.append(Token("name", found["name"], here))
        else:
            op = found["op"]
            if op == "{":
                depth += 1
            elif op == "}":
                if embedded and depth == 0:
                    if text.startswith("}}", at - 1):
                        out.append(Token("end", None, here))
                        return out, at + 1
                    raise Fault("expr.syntax", "a single } where }} closes the expression", here)
                depth -= 1
            out.append(Token("op", op, here))
    if embedded:
        raise Fault("expr.syntax", "the expression is not closed", size - start, "close it with }}")
    out.append(Token("end", None, size - start))
    return out, size


def _number(text: str, position: int) -> int | float:
    if text[:2] in ("0x", "0X"):
        value: int | float = int(text, 16)
    elif text.isdigit():
        value = int(text) if len(text) <= 19 else INT_MAX + 2
    else:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise Fault("expr.syntax", f"{text} is larger than a double can hold", position)
        return value
    if value > INT_MAX + 1:  # -9223372036854775808 is written with a minus; the sign is checked by the parser
        raise Fault("expr.syntax", f"{text} does not fit in 64 bits", position)
    return value


def _string(text: str, quote: str, at: int, raw: bool, start: int) -> tuple[str, int]:
    end = at
    while True:
        close = text.find(quote, end)
        if close < 0:
            raise Fault("expr.syntax", "the string is not closed", at - len(quote) - start)
        slash = text.find("\\", end, close)
        if raw or slash < 0:
            break
        end = slash + 2
    body = text[at:close]
    if len(quote) == 1 and "\n" in body:
        raise Fault("expr.syntax", "the string is not closed on its line", at - 1 - start, "use three quotes")
    if raw or "\\" not in body:
        return body, close + len(quote)

    def escape(found: re.Match[str]) -> str:
        simple, two, four, eight, octal = found.groups()
        if simple:
            return _SIMPLE.get(simple, simple)
        code = two or four or eight
        point = int(code, 16) if code else int(octal, 8) if octal else -1
        if not 0 <= point <= 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            raise Fault("expr.syntax", "not an escape sequence", at + found.start() - start)
        return chr(point)

    return _ESCAPE.sub(escape, body), close + len(quote)
