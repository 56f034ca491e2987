"""The two streams of a command. Results go to stdout and nothing else does, so that a pipe gets what was asked for; what is
said about the work on the way goes to stderr. A reader that hangs up early (`| head`) ends the output, not the work.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

STATUS = {  # status -> (icon, colour); shown with the word, never alone
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "skipped": ("–", "bright_black"),
    "paused": ("‖", "magenta"),
    "waiting": ("?", "magenta"),
    "retrying": ("↻", "yellow"),
    "running": ("▶", "cyan"),
    "active": ("▶", "cyan"),
    "queued": ("·", "bright_black"),
    "pending": ("·", "bright_black"),
    "validating": ("·", "bright_black"),
}


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def out(text: str) -> None:
    """One piece of the result, to stdout."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        hang_up(sys.stdout)


def out_json(value: Any) -> None:
    """One JSON value on one line."""
    out(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def say(text: str) -> None:
    """One line about the work, to stderr."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        hang_up(sys.stderr)


def hang_up(stream: TextIO) -> None:
    """Nobody reads this stream any more: what is still written to it goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def console(stream: TextIO) -> Console:
    """A rich console on a stream; off a terminal it writes plain text and breaks no line."""
    from rich.console import Console  # noqa: PLC0415 - only commands that draw pay for it

    wide = None if is_terminal(stream) else 10_000
    return Console(file=stream, highlight=False, markup=False, width=wide, soft_wrap=wide is not None)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """Rows under headings, to stdout; `empty` goes to stderr where there are none."""
    lines = [["" if cell is None else cell for cell in row] for row in rows]
    if not lines:
        say(empty)
        return
    from rich.table import Table  # noqa: PLC0415

    drawn = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        drawn.add_column(name, overflow="fold", no_wrap=not is_terminal(sys.stdout))
    for line in lines:
        drawn.add_row(*[cell if hasattr(cell, "plain") else printable(str(cell)) for cell in line])
    screen = console(sys.stdout)
    try:
        with screen.capture() as captured:
            screen.print(drawn)
        out("\n".join(line.rstrip() for line in captured.get().splitlines()))
    except BrokenPipeError:
        hang_up(sys.stdout)


def status_text(status: str) -> Any:
    """Icon and word, in the status's colour."""
    from rich.text import Text  # noqa: PLC0415

    icon, colour = STATUS.get(status, ("·", ""))
    return Text(f"{icon} {status}", style=colour)


def printable(text: str) -> str:
    """Text that comes from documents and steps cannot move the cursor or ring the bell."""
    return "".join(c if c.isprintable() or c == "\n" else "�" if c != "\t" else "  " for c in text)


def short(seconds: float | None) -> str:
    """A duration for people: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: int | None) -> str:
    """Bytes for people."""
    value = float(count or 0)
    for unit in ("bytes", "KB", "MB"):
        if value < 1000 or unit == "MB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
