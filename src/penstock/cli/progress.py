"""Progress of a run on stderr: a picture that stays where it is on a terminal, plain lines with the time anywhere else.

A display only draws; what it draws is the board, which is a fold of the run's events. So the picture of a run that is followed
from its middle is the same as of one that was watched from the start.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from ..engine import events as ev
from ..engine.state import parse_step_id
from .board import OVER, Board, Row
from .terminal import STATUS, console, hang_up, is_terminal, printable, say, short

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
STEPS_SAID = 2.0  # seconds between plain lines about the same for_each
NOTE_SHOWN = 400  # characters of a note in a plain line


class Display(Protocol):
    def show(self, events: Sequence[ev.Event]) -> None:
        """The board has taken these in."""
        ...

    def tick(self) -> None:
        """Time went by."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found; `show` begins again."""
        ...


class Quiet:
    def show(self, events: Sequence[ev.Event]) -> None:
        return

    def tick(self) -> None:
        return

    def close(self) -> None:
        return


def display(board: Board, quiet: bool) -> Display:
    if quiet:
        return Quiet()
    return Live(board) if is_terminal(sys.stderr) else Plain(board)


def headline(board: Board, now: float) -> str:
    """`survey · run_… · running 3.2 s · 1,200 tokens · $0.01`"""
    view = board.view
    parts = [view.workflow or "…", view.run_id or ""]
    end = view.ended_at if view.ended_at is not None else now
    state = view.status if view.ending is None else "ending"
    parts.append(f"{state} {short(end - view.created_at)}" if view.created_at else state)
    if view.tokens:
        parts.append(f"{int(view.tokens):,} tokens")
    if view.usd:
        parts.append(f"${view.usd:.4f}".rstrip("0").rstrip("."))
    return " · ".join(parts)


class Plain:
    """A line for each thing worth knowing."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._said: dict[str, float] = {}

    def show(self, events: Sequence[ev.Event]) -> None:
        for event in events:
            text = self._line(event)
            if text:
                say(f"{time.strftime('%H:%M:%S', time.localtime(event.at))}  {printable(text)}")

    def tick(self) -> None:
        return

    def close(self) -> None:
        return

    def _line(self, event: ev.Event) -> str | None:
        fact = event.fact
        match fact:
            case ev.RunStarted():
                return f"{self._board.view.workflow}: run {self._board.view.run_id} started"
            case ev.RunForked():
                return f"forked from {fact.source} at {fact.at_seq}"
            case ev.RunPaused():
                why = f": {fact.error.get('message')}" if fact.error else ""
                return f"paused{why}"
            case ev.RunResumed():
                return "resumed"
            case ev.RunEnding():
                return "cancelling" if fact.to == "cancelled" else "failing: waiting for running steps to stop"
            case ev.NodeOpened():
                return f"{fact.node}: {fact.count} items"
            case ev.NodeCompleted():
                return self._node_over(fact.node, event.at)
            case ev.NodeSkipped():
                return f"{fact.node}: skipped"
            case ev.NodeFailed():
                return f"{fact.node}: failed: {fact.error.get('message', '')}"
        return self._step_line(event)

    def _step_line(self, event: ev.Event) -> str | None:
        fact = event.fact
        step = getattr(fact, "step", None)
        if step is None:
            return None
        name, _, index = parse_step_id(step)
        match fact:
            case ev.StepScheduled() if index is None and fact.delivery == 1 and fact.attempt == 1:
                return f"{name}: running"
            case ev.StepScheduled() if fact.attempt > 1:
                return f"{step}: attempt {fact.attempt}"
            case ev.StepNoted():
                return "\n          ".join(f"{step} | {str(line[1])[:NOTE_SHOWN]}" for line in fact.lines)
            case ev.StepWaiting() if fact.ask is not None:
                return f"{step}: asks a person: {fact.ask.get('title', '')}"
            case ev.StepFailed():
                message = f"{step}: failed: {fact.error.get('message', '')} [{fact.error.get('code', '')}]"
                return message if fact.retry_at is None else f"{message}; again in {short(fact.retry_at - event.at)}"
            case ev.StepPaused():
                return f"{step}: failed, and waits to be fixed: {fact.error.get('message', '')}"
            case ev.StepCompleted() if index is None:
                return self._node_over(name, event.at)
            case ev.StepCompleted():
                row = self._board.rows[name]
                if event.at - self._said.setdefault(name, event.at) < STEPS_SAID:
                    return None
                self._said[name] = event.at
                return f"{name}: {row.done} of {row.count}"
        return None

    def _node_over(self, name: str, at: float) -> str:
        row = self._board.rows[name]
        many = f", {row.count} items" if row.count is not None else ""
        failed = f", {row.failed} failed" if row.failed else ""
        return f"{name}: done in {short(row.elapsed(at))}{many}{failed}"


class Live:
    """The board as a table that is drawn again and again in the same place."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._console = console(sys.stderr)
        self._live: Any = None
        self._broken = False

    def show(self, events: Sequence[ev.Event]) -> None:
        if events and self._live is None and not self._broken:
            from rich.live import Live as Screen  # noqa: PLC0415 - only on a terminal

            self._live = Screen(console=self._console, auto_refresh=False, transient=False)
            self._guard(self._live.start)

    def tick(self) -> None:
        if self._live is not None:
            self._guard(lambda: self._live.update(self._draw(), refresh=True))

    def close(self) -> None:
        if self._live is not None:
            self.tick()
            if self._live is not None:
                self._guard(self._live.stop)
            self._live = None

    def _guard(self, draw: Any) -> None:
        """A terminal that went away ends the picture, not the run."""
        try:
            draw()
        except OSError:
            self._broken, self._live = True, None
            hang_up(sys.stderr)

    def _draw(self) -> Any:
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        now = time.time()
        board = self._board
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, max_width=28, overflow="ellipsis")
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        rows, hidden = self._fitting()
        for row in rows:
            icon, colour = STATUS.get(row.status, ("·", ""))
            if row.status == "running":
                icon = FRAMES[int(now * 10) % len(FRAMES)]
            took = short(row.elapsed(now)) if row.status not in ("pending", "skipped") else ""
            grid.add_row(
                Text(f"{icon} {row.name}", style=colour),
                Text(_progress(row), style="" if row.status == "running" else "bright_black"),
                Text(took, style="bright_black"),
                Text(_remark(row), style="bright_black"),
            )
        if hidden:
            grid.add_row(Text(f"  and {hidden} more", style="bright_black"))
        icon, colour = STATUS.get(board.view.status, ("·", ""))
        outer = Table.grid()
        outer.add_row(Text(f"{icon} {headline(board, now)}", style=f"bold {colour}", no_wrap=True, overflow="ellipsis"))
        outer.add_row(grid)
        return outer

    def _fitting(self) -> tuple[list[Row], int]:
        """The rows there is room for: what goes on now first, then the latest, in their order."""
        rows = list(self._board.rows.values())
        room = max(self._console.size.height - 4, 3)
        if len(rows) <= room:
            return rows, 0
        now = time.time()
        lively = sorted(
            rows, key=lambda r: (r.status in OVER or r.status in ("pending", "skipped"), -(r.started or now))
        )
        kept = {row.name for row in lively[: room - 1]}
        return [row for row in rows if row.name in kept], len(rows) - len(kept)


def _progress(row: Row) -> str:
    """The status in a word, with how far it is where there are many steps."""
    if row.count is None:
        return row.status
    return f"{row.done}/{row.count}" if row.status == "running" else f"{row.status} {row.done}/{row.count}"


def _remark(row: Row) -> str:
    parts = []
    if row.visit > 1:
        parts.append(f"visit {row.visit}")
    if row.failed and row.count is not None:
        parts.append(f"{row.failed} failed")
    if row.retries:
        parts.append(f"{row.retries} {'retry' if row.retries == 1 else 'retries'}")
    if row.note:
        parts.append(printable(row.note.splitlines()[-1] if row.note.strip() else ""))
    return " · ".join(parts)
