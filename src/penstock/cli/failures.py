"""How a command ends: its exit code, and what is said when it goes wrong.

One red line `error[code]: message`, then each problem on its own line with its place and what to do about it. Scripts rely on
the code of the error and on the exit code; both are contracts.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import (
    Conflict,
    Invalid,
    NotFound,
    PenstockError,
    PreconditionFailed,
    Problem,
    Refused,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from .terminal import console, hang_up, printable

if TYPE_CHECKING:
    from rich.text import Text

COMPLETED, FAILED, USAGE, CANCELLED, PERSON = 0, 1, 2, 3, 4
KILLED = 130  # by a second Ctrl-C

STATUS_EXIT = {"completed": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}

_USAGE = (Invalid, NotFound, TooLarge, Refused, Unauthenticated)
_BY_STATUS: dict[int, type[PenstockError]] = {
    401: Unauthenticated,
    403: Refused,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: TooLarge,
    428: PreconditionFailed,
    503: Unavailable,
    504: TimedOut,
}


class UsageError(Invalid):
    """The command line itself is wrong."""

    code = "usage"


def in_file(error: Invalid, source: str) -> Invalid:
    """The error with the name of the file that the lines of its problems are lines of."""
    error.source = source  # type: ignore[attr-defined] - only `show` asks for it
    return error


def exit_code(error: PenstockError) -> int:
    """2 for what the caller must say differently, 1 for what did not work."""
    return USAGE if isinstance(error, _USAGE) else FAILED


def show(error: PenstockError) -> None:
    """The error, to stderr."""
    from rich.text import Text  # noqa: PLC0415 - only a failing command pays for it

    screen = console(sys.stderr)
    text = Text.assemble((f"error[{error.code}]", "bold red"), f": {printable(error.message)}")
    for problem in error.problems:
        text.append_text(problem_text(problem, getattr(error, "source", "")))
    hint = error.detail.get("hint") if isinstance(error.detail, dict) else None
    if hint:
        text.append(f"\n  {printable(str(hint))}", "cyan")
    try:
        screen.print(text, soft_wrap=True)
    except BrokenPipeError:
        hang_up(sys.stderr)


def problem_text(problem: Problem, source: str = "") -> Text:
    """`file:line:column pointer  message [code]`, on a line of its own, and what to do on the next."""
    from rich.text import Text  # noqa: PLC0415

    text = Text("\n  ")
    place = _place(problem, source)
    if place:
        text.append(place + "  ", "bold")
    if problem.severity != "error":
        text.append(f"{problem.severity}: ", "yellow")
    text.append(f"{printable(problem.message)} [{problem.code}]")
    if problem.hint:
        text.append(f"\n      {printable(problem.hint)}", "cyan")
    return text


def _place(problem: Problem, source: str) -> str:
    place = source
    if problem.line is not None:
        place += f"{':' if source else 'line '}{problem.line}" + (f":{problem.column}" if problem.column else "")
    elif not problem.pointer:
        place = ""
    return " ".join(part for part in (place, problem.pointer) if part)


def from_problem(status: int, body: Any) -> PenstockError:
    """The error a server answered with (problem+json), as the noun it was there."""
    if not isinstance(body, Mapping) or "code" not in body:
        return Unavailable(f"the server answered {status}, and not as Penstock does", code="server.strange")
    kind = _BY_STATUS.get(status) or (Invalid if 400 <= status < 500 else PenstockError)
    message = str(body.get("detail") or body.get("title") or f"the server answered {status}")
    problems = problems_of(body.get("errors"))
    return kind(
        message,
        code=str(body["code"]),
        problems=problems,
        retryable=bool(body.get("retryable")),
        detail=body.get("context"),
    )


def from_journal(error: Mapping[str, Any]) -> PenstockError:
    """The error a run ended with, as its journal has it."""
    message, code = str(error.get("message", "it failed")), str(error.get("code", "internal"))
    return PenstockError(message, code=code, problems=problems_of(error.get("problems")))


def problems_of(found: Any) -> list[Problem]:
    """Problems out of their JSON form."""
    return [
        Problem(
            str(one.get("code", "")),
            str(one.get("message", "")),
            str(one.get("pointer", "")),
            one.get("hint"),
            one.get("line"),
            one.get("column"),
            str(one.get("severity", "error")),
        )
        for one in found or ()
        if isinstance(one, Mapping)
    ]
