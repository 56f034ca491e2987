"""Nouns for what went wrong.

Every error a user can meet is a `PenstockError` with a stable `code` (dotted, lower case) that never changes
meaning, a message that says what happened, and, where there is one, the place (a JSON pointer) and what to do.
The class says what kind of thing happened; the API maps the class to an HTTP status, the CLI to an exit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong at one place. `pointer` is a JSON pointer (RFC 6901) into the document or body; `line` and
    `column` are 1-based positions in the text, where there was text; `hint` says what to do."""

    code: str
    message: str
    pointer: str = ""
    hint: str | None = None
    line: int | None = None
    column: int | None = None
    severity: str = "error"

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"code": self.code, "pointer": self.pointer, "message": self.message}
        if self.hint:
            out["hint"] = self.hint
        if self.line is not None:
            out["line"] = self.line
        if self.column is not None:
            out["column"] = self.column
        if self.severity != "error":
            out["severity"] = self.severity
        return out


class PenstockError(Exception):
    """The root of everything Penstock raises on purpose."""

    code = "internal"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        problems: Sequence[Problem] = (),
        retryable: bool | None = None,
        detail: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable
        self.problems = tuple(problems)
        self.detail = detail

    def to_dict(self) -> dict[str, Any]:
        """The form an error takes in a journal: code, message, retryable, and detail where there is any."""
        out: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.retryable:
            out["retryable"] = True
        if self.problems:
            out["problems"] = [p.to_dict() for p in self.problems]
        if self.detail is not None:
            out["detail"] = self.detail
        return out


class Invalid(PenstockError):
    """What was sent cannot be accepted as it is; `problems` names every place."""

    code = "invalid"


class NotFound(PenstockError):
    code = "not_found"


class Conflict(PenstockError):
    """It clashes with what is already there: a lost race, a replayed key with another body, a decided approval."""

    code = "conflict"


class StaleHead(Conflict):
    """The journal moved on since it was read: read again and decide again. Never reaches a user."""

    code = "journal.stale_head"
    retryable = True


class PreconditionFailed(PenstockError):
    """The ETag sent is not the current one."""

    code = "etag.mismatch"


class Refused(PenstockError):
    """A limit, policy or permission said no before anything was done."""

    code = "refused"


class TooLarge(PenstockError):
    code = "too_large"


class Unavailable(PenstockError):
    """Something outside did not answer or answered with its own failure; trying again may help."""

    code = "unavailable"
    retryable = True


class TimedOut(PenstockError):
    code = "timed_out"
    retryable = True


class StepFailed(PenstockError):
    """A step's own code or call failed. Raised by node kinds; the engine decides on retry by `retryable`."""

    code = "step.failed"
    retryable = True


class Unauthenticated(PenstockError):
    code = "unauthenticated"
