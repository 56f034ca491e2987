"""Reading untrusted JSON into values, collecting every problem on the way instead of stopping at the first.

A `Reader` holds the problems and knows, if anybody does, where a JSON pointer lies in the text. Its methods return the
value, or None after noting what is wrong, so that a caller goes on to the next key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ..errors import Invalid, PenstockError, Problem
from .expr import Expression, ExpressionError, Place, Template, compile_expression, compile_template, escape, pointer_to
from .tokens import INT_MAX, INT_MIN, nearest
from .values import show

Position = Callable[[str], tuple[int, int] | None]

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
MAX_DEPTH = 32
MAX_BYTES = 1 << 20
MAX_NODES = 2_000
MAX_EDGES = 10_000
MAX_PROBLEMS = 200
_SMALL = 1 << 62
MAX_SECONDS = 366 * 86_400.0

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def nowhere(pointer: str) -> tuple[int, int] | None:
    """The position in a text that is not there."""
    return None


def duration(value: Any) -> float | None:
    """Seconds of "2s", "500ms", "1h30m" or a number of seconds; None for anything else."""
    if isinstance(value, str):
        if len(value) > 40 or not _DURATION.fullmatch(value):
            return None
        seconds = math.fsum(float(amount) * _UNIT[unit] for amount, unit in _PART.findall(value))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not -MAX_SECONDS <= value <= MAX_SECONDS:
            return None
        seconds = float(value)
    else:
        return None
    return seconds if 0 <= seconds <= MAX_SECONDS else None


def named(value: Any) -> str:
    """What a JSON value is called in YAML and JSON."""
    if value is None:
        return "null"
    for kinds, name in ((bool, "true or false"), (str, "text"), ((int, float), "a number"), (dict, "a mapping")):
        if isinstance(value, kinds):
            return name
    return "a list" if isinstance(value, (list, tuple)) else type(value).__name__


class Reader:
    def __init__(self, position: Position = nowhere) -> None:
        self.position = position
        self.problems: list[Problem] = []

    def add(self, code: str, at: str, message: str, hint: str | None = None, severity: str = "error") -> None:
        """Note a problem; after `MAX_PROBLEMS` the rest is dropped."""
        if len(self.problems) < MAX_PROBLEMS:
            line, column = self.position(at) or (None, None)
            self.problems.append(Problem(code, message, at, hint, line, column, severity))

    def take(self, error: PenstockError) -> None:
        for problem in error.problems:
            self.add(problem.code, problem.pointer, problem.message, problem.hint)

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity != "error"]

    def plain(self, document: Any) -> bool:
        """Whether the document is JSON: plain types, finite numbers, Unicode text, and no deeper than allowed."""
        fine = True
        stack: list[tuple[Any, Place, int]] = [(document, (None, ""), 1)]
        while stack:
            value, at, depth = stack.pop()
            if isinstance(value, dict):
                for key in value:
                    if not isinstance(key, str):
                        message = f"the key {str(key)[:40]} is {named(key)}; keys are text"
                        self.add("document.type", pointer_to(at), message)
                        return False
                    if "\0" in key or not key.isascii():
                        fine = self._text(key, pointer_to(at)) and fine
                parts: Iterable[tuple[Any, Any]] = value.items()
            elif isinstance(value, list):
                parts = enumerate(value)
            else:
                fine = self._scalar(value, pointer_to(at)) and fine
                continue
            if depth > MAX_DEPTH:
                self.add("document.too_deep", pointer_to(at), f"the document is nested over {MAX_DEPTH} levels")
                return False
            for key, part in parts:
                kind = type(part)
                if kind is str:
                    if "\0" in part or not part.isascii():
                        fine = self._text(part, pointer_to((at, key))) and fine
                elif kind is int:
                    fine = self._scalar(part, pointer_to((at, key))) and fine if abs(part) > _SMALL else fine
                elif kind is not bool and part is not None:
                    stack.append((part, (at, key), depth + 1))
        return fine

    def _scalar(self, value: Any, at: str) -> bool:
        if isinstance(value, str):
            return self._text(value, at)
        if isinstance(value, float) and not math.isfinite(value):
            self.add("document.value", at, "a number must be finite")
            return False
        if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
            self.add("document.value", at, "a whole number must fit in 64 bits", "put it in quotes")
            return False
        if value is None or isinstance(value, (bool, int, float)):
            return True
        self.add("document.type", at, f"{named(value)} is not a JSON value")
        return False

    def _text(self, value: str, at: str) -> bool:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.add("document.value", at, "the text is not Unicode: it holds half of a surrogate pair")
            return False
        if "\0" in value:
            self.add("document.value", at, "the text holds a NUL character")
            return False
        return True

    def mapping(self, value: Any, at: str, what: str) -> dict[str, Any] | None:
        if isinstance(value, dict):
            return value
        self.wrong(value, at, what, "a mapping")
        return None

    def wrong(self, value: Any, at: str, what: str, wanted: str, hint: str | None = None) -> None:
        self.add("document.type", at, f"{what} must be {wanted}, not {named(value)}", hint)

    def unknown(self, value: Mapping[str, Any], known: Iterable[str], at: str, what: str) -> None:
        """Note each key that is not known, with the nearest one that is."""
        known = list(known)
        for key in value:
            if key not in known:
                close = nearest(key, known)
                hint = f"did you mean {close!r}?" if close else f"known are {', '.join(known)}"
                self.add("document.unknown_key", f"{at}/{escape(key)}", f"{what} has no key {key[:80]!r}", hint)

    def text(self, value: Any, at: str, what: str, limit: int = 10_000) -> str:
        if not isinstance(value, str):
            self.wrong(value, at, what, "text", "put it in quotes" if isinstance(value, (int, float)) else None)
            return ""
        if len(value) > limit:
            self.add("document.value", at, f"{what} has {len(value)} characters; {limit} are allowed")
        return value

    def choice(self, value: Any, at: str, what: str, known: Iterable[str]) -> str | None:
        known = list(known)
        if isinstance(value, str) and value in known:
            return value
        close = nearest(value, known) if isinstance(value, str) else None
        hint = f"did you mean {close!r}?" if close else None
        self.add("document.value", at, f"{what} is {', '.join(known[:-1])} or {known[-1]}, not {show(value)}", hint)
        return None

    def whole(self, value: Any, at: str, what: str, least: int = 1, most: int = 10**15) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(value, at, what, "a whole number")
        elif not least <= value <= most:
            self.add("document.value", at, f"{what} must be from {least} to {most}, not {show(value)}")
        else:
            return value
        return None

    def amount(self, value: Any, at: str, what: str, least: float, most: float) -> float | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.wrong(value, at, what, "a number")
        elif not least <= value <= most:
            self.add("document.value", at, f"{what} must be from {least:g} to {most:g}, not {show(value)}")
        else:
            return float(value)
        return None

    def money(self, value: Any, at: str, what: str) -> Decimal | None:
        """An exact decimal, of a number as it is written or of text."""
        if isinstance(value, (int, float, str, Decimal)) and not isinstance(value, bool):
            try:
                exact = Decimal(str(value))
            except InvalidOperation:
                exact = Decimal(-1)
            if exact.is_finite() and 0 <= exact <= 10**12:
                return exact
            self.add("document.value", at, f"{what} must be a number from 0 to 10^12, not {show(value)}")
        else:
            self.wrong(value, at, what, "a number")
        return None

    def seconds(self, value: Any, at: str, what: str, *, zero: bool = False) -> float | None:
        found = duration(value)
        if found is None or (found == 0 and not zero):
            message = f"{what} must be a duration such as 30s, 500ms, 5m, 1h or a number of seconds, not {show(value)}"
            self.add("document.value", at, message)
            return None
        return found

    def expression(self, value: Any, at: str, what: str) -> Expression | None:
        if not isinstance(value, str):
            hint = 'such as "${{ inputs.deep }}"'
            self.wrong(value, at, what, "an expression in quotes", hint)
            return None
        try:
            return compile_expression(value, at)
        except ExpressionError as error:
            self.take(error)
            return None

    def template(self, value: Any, at: str) -> Template:
        try:
            return compile_template(value, at)
        except Invalid as error:
            self.take(error)
            return compile_template(None)
