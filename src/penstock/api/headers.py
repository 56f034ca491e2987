"""Headers with a grammar of their own: Prefer (RFC 7240), entity tags and Range (RFC 9110), Idempotency-Key, traceparent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import Invalid, Problem
from .problems import HttpError

MAX_WAIT = 60.0
MAX_KEY = 255

_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?\s*(?:$|[,;])', re.IGNORECASE)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*")
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def wait_of(prefer: str | None) -> float | None:
    """Seconds of `Prefer: wait=N`, at most 60; None where it is absent or not understood (a preference is never an error)."""
    found = _WAIT.search(prefer) if prefer else None
    return min(float(found[1]), MAX_WAIT) if found else None


def applied(seconds: float) -> dict[str, str]:
    """What is said about a preference that was honoured."""
    return {"Preference-Applied": f"wait={seconds:g}"}


def key_of(given: str | None) -> str | None:
    """An Idempotency-Key. Raises Invalid, code `idempotency.bad_key`."""
    if given is None:
        return None
    key = given.strip()
    if not key or len(key) > MAX_KEY or not key.isascii() or not key.isprintable():
        message = f"an Idempotency-Key is 1 to {MAX_KEY} printable ASCII characters"
        problem = Problem("idempotency.bad_key", message, "/header/Idempotency-Key")
        raise Invalid(message, code="idempotency.bad_key", problems=[problem])
    return key


def trace_of(given: str | None) -> str | None:
    """A W3C traceparent; as the recommendation has it, one that is not right is as good as none."""
    return given if given is not None and _TRACEPARENT.fullmatch(given) and not given.startswith("ff") else None


def quote(tag: str | int) -> str:
    return f'"{tag}"'


def is_fresh(if_none_match: str | None, tag: str) -> bool:
    """Whether what the client holds is still what there is: then the answer is 304."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)


def expected_tag(if_match: str | None, if_none_match: str | None) -> str | None:
    """What a draft must be for a PUT to go on: its tag, `*` for any, None for no draft at all. Raises HttpError 428
    `etag.required` without either header, Invalid `etag.invalid` for anything else."""
    if if_match is not None:
        if if_match.strip() == "*":
            return "*"
        tags = _TAG.findall(if_match)
        if len(tags) == 1 and not if_match.strip().startswith("W/"):
            return tags[0]
        raise _bad_tag("If-Match")
    if if_none_match is None:
        message = "say what you are changing: If-Match with the draft's ETag, or If-None-Match: * for a new one"
        raise HttpError(428, "etag.required", message)
    if if_none_match.strip() != "*":
        raise _bad_tag("If-None-Match")
    return None


def _bad_tag(header: str) -> Invalid:
    message = f"{header} is not one entity tag in double quotes" if header == "If-Match" else f"{header} can only be *"
    return Invalid(message, code="etag.invalid", problems=[Problem("etag.invalid", message, f"/header/{header}")])


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end`, exclusive, of `size`."""

    start: int
    end: int
    size: int

    @property
    def partial(self) -> bool:
        return self.end - self.start < self.size


def span_of(given: str | None, size: int) -> Span:
    """The part of `size` bytes that a Range header asks for; all of it where there is none, or one we do not serve (several
    ranges, other units). Raises HttpError 416 `range.not_satisfiable` for a part that is not there."""
    whole = Span(0, size, size)
    found = _RANGE.fullmatch(given) if given else None
    if found is None or not (found[1] or found[2]):
        return whole
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
        ok = int(found[2]) > 0 and size > 0
    else:
        start = int(found[1])
        end = min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return whole
        ok = start < size
    if not ok:
        message = f"there are {size} bytes"
        raise HttpError(416, "range.not_satisfiable", message, {"Content-Range": f"bytes */{size}"})
    return Span(start, end, size)
