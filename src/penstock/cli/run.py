"""`penstock run` and everything else that stays with a run until it ends, is cancelled, or needs a person.

The run does not depend on this process: what is journalled is durable. Leaving early (a second Ctrl-C, SIGTERM, a terminal that is
gone) therefore loses nothing; the next process with the data folder goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.view import RunView, StepView
from ..errors import Conflict, PenstockError
from . import ask, documents, failures, inputs, results
from .board import Board
from .link import Link, Place, connect, unwritable
from .progress import Display, display
from .terminal import out, out_json, printable, say, short

TICK = 0.1  # seconds between two drawings of the progress, and looks at what a run waits for
TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Options:
    """How a command stays with a run. `out` is where files go; None for DATA/results/RUN_ID."""

    place: Place
    json: bool = False
    quiet: bool = False
    out: Path | None = None


async def run(
    workflow: str,
    pairs: list[str],
    source: str | None,
    mode: str,
    limits: list[str],
    version: int | None,
    options: Options,
) -> int:
    """Start a run and stay with it. Returns the exit code."""
    if options.out is not None and (why := unwritable(options.out.expanduser())):  # before the work, not after it
        raise failures.UsageError(f"--out {options.out}: {why}", code="out.unwritable")
    async with connect(options.place, active=True) as link:
        document = await documents.find(link, workflow)
        if version is not None:
            document = (await link.call("GET", f"/workflows/{document['name']}/versions/{version}"))["document"]
        values = inputs.read_inputs(pairs, source, document.get("inputs") or {})
        body: dict[str, Any] = {"workflow": document["name"], "inputs": values, "run_mode": mode}
        if version is not None:
            body["version"] = version
        if (asked := inputs.read_limits(limits)) is not None:
            body["limits"] = asked
        return await attend(link, await link.start(body), options, document)


Need = tuple[str, StepView | None]  # the run, and the step of it that asks a person; None for a run that is paused


class _Leave(Exception):
    """SIGTERM: go, and let the run go on some other time."""


async def attend(link: Link, run_id: str, options: Options, document: dict[str, Any] | None = None) -> int:
    """Stay with a run: progress, questions, the result. Returns the exit code."""
    board = Board(run_id, (document or {}).get("nodes") or ())
    screen = display(board, options.json or options.quiet)
    try:
        with _signals(link, run_id, screen):
            needs = await _follow(link, board, screen, ask.can_ask() and not options.json)
    except _Leave:
        screen.close()
        say(f"stopped; run {run_id} goes on with the next process on this data folder" if link.local else "stopped")
        return TERMINATED
    finally:
        screen.close()
    if needs:
        return await _needs_person(link, board.view, needs, options)
    return await _finish(link, board.view, options)


# ---------------------------------------------------------------------------------------------------- following


async def _follow(link: Link, board: Board, screen: Display, asking: bool) -> list[Need]:
    """Draw until the run ends, or until it waits for nothing but a person whom nobody here can be: then that is returned."""
    drawing = asyncio.create_task(_draw(screen))
    question: _Question | None = None
    stream = _events(link, board.view.run_id or "")
    try:
        async for events in stream:
            if events:
                board.take(events)
            if question is not None and not question.over(board):
                continue
            screen.show(events)
            if board.view.terminal:
                return []
            needs = await _needs(link, board.view)
            if needs and (not asking or needs[0][1] is None or (question is not None and question.declined)):
                return needs
            question = None
            if needs and needs[0][1] is not None:
                screen.close()
                question = _Question(link, needs[0][0], needs[0][1])
    finally:
        drawing.cancel()
        if question is not None:
            question.task.cancel()
        await stream.aclose()
    return []


class _Question:
    """A question that is being put at the terminal, while the run is still followed."""

    def __init__(self, link: Link, run_id: str, step: StepView) -> None:
        self.step = step
        self.declined = False
        self.task = asyncio.create_task(ask.ask(link, run_id, step))

    def over(self, board: Board) -> bool:
        """Whether there is nothing to wait for here: it was answered, here or elsewhere, or the run went on without. Raises
        what sending the answer raised."""
        if self.task.done():
            self.declined = isinstance(self.task.exception(), ask.NoAnswer)
            if not self.declined:
                self.task.result()
            return True
        if self.step.status == "waiting" and not board.view.terminal:
            return False
        self.task.cancel()
        say("")
        return True


async def _events(link: Link, run_id: str) -> AsyncGenerator[list[Any], None]:
    """The run's events, and [] now and then while none come, so that what other runs do to this one is noticed."""
    stream = link.follow(run_id)
    coming: asyncio.Task[Any] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(stream, None))
            done, _ = await asyncio.wait([coming], timeout=10 * TICK)
            if not done:
                yield []
                continue
            events, coming = coming.result(), None
            if events is None:
                return
            yield events
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await stream.aclose()


async def _draw(screen: Display) -> None:
    while True:
        await asyncio.sleep(TICK)
        screen.tick()


async def _needs(link: Link, view: RunView) -> list[Need]:
    """What only a person can bring on; [] while anything else may still happen by itself."""
    if view.status == "paused":
        return [(view.run_id or "", None)]
    if view.status != "waiting":
        return []
    found: list[Need] = []
    for step in view.steps.values():
        if step.status == "waiting" and step.ask is not None:
            found.append((view.run_id or "", step))
        elif step.status == "waiting" and step.child is not None:
            child = await _view_now(link, step.child["run"])
            needs = [] if child is None or child.terminal else await _needs(link, child)
            if not needs:
                return []
            found += needs
        elif step.status in ("waiting", "retrying", "queued", "running", "scheduled"):
            return []
    return found


async def _view_now(link: Link, run_id: str) -> RunView | None:
    """A run as it is now; None for a child that is not yet there."""
    stream = link.follow(run_id)
    view = RunView(run_id)
    try:
        for event in await anext(stream, []):
            view.apply(event)
    except PenstockError:
        return None
    finally:
        await stream.aclose()
    return view if view.head else None


@contextlib.contextmanager
def _signals(link: Link, run_id: str, screen: Display) -> Any:
    """Ctrl-C cancels the run, a second one ends this process at once; SIGTERM leaves."""
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()
    pressed = leaving = False
    tasks: set[asyncio.Task[Any]] = set()

    async def cancel() -> None:
        try:
            await link.cancel(run_id, "Ctrl-C")
        except Conflict:
            return  # it is over already
        except PenstockError as error:
            failures.show(error)

    def interrupted() -> None:
        nonlocal pressed
        if pressed:
            screen.close()
            sys.stderr.flush()
            os._exit(failures.KILLED)
        pressed = True
        say("cancelling the run; Ctrl-C again to leave at once")
        tasks.add(loop.create_task(cancel()))

    def terminated() -> None:
        nonlocal leaving
        leaving = True
        if me is not None:
            me.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    loop.add_signal_handler(signal.SIGTERM, terminated)
    try:
        yield
    except asyncio.CancelledError:
        if not leaving:
            raise
        if me is not None:
            me.uncancel()
        raise _Leave from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)


# ------------------------------------------------------------------------------------------------------- endings


async def _finish(link: Link, view: RunView, options: Options) -> int:
    """The result of a run that is over: files, stdout, exit code."""
    run_id = view.run_id or ""
    outputs = await results.whole(link, run_id, view.outputs)
    folder = options.out.expanduser().absolute() if options.out else options.place.data / "results" / run_id
    files = await results.write_files(link, view, folder)
    code = failures.STATUS_EXIT[view.status]
    if view.status == "failed" and (view.error or {}).get("code") in ("preflight.failed", "inputs.invalid"):
        code = failures.USAGE
    if options.json:
        answer: dict[str, Any] = {"run_id": run_id, "status": view.status, "outputs": outputs}
        if view.status != "completed":
            answer["error"] = view.error
        out_json({**answer, "artifacts": files})
        return code
    _print_outputs(outputs, {file["name"]: file["path"] for file in files})
    if view.status == "failed":
        failures.show(failures.from_journal(view.error or {}))
    if not options.quiet:
        took = short((view.ended_at or view.updated_at) - view.created_at)
        say(f"{view.status} in {took}; {len(files)} files in {folder}")
    return code


def _print_outputs(outputs: Any, paths: dict[str, str]) -> None:
    if not isinstance(outputs, dict):
        if outputs is not None:
            out(_printed(outputs, paths))
        return
    for name, value in outputs.items():
        printed = _printed(value, paths)
        out(f"{name}:\n{printed}" if "\n" in printed else f"{name}: {printed}")


def _printed(value: Any, paths: dict[str, str]) -> str:
    if results.is_handle(value):
        return paths.get(value["name"]) or str(value["artifact"])
    if isinstance(value, str):
        return printable(value)
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, (dict, list)) and value else None)


async def _needs_person(link: Link, view: RunView, needs: list[Need], options: Options) -> int:
    run_id = view.run_id or ""
    if options.json:
        answer: dict[str, Any] = {"run_id": run_id, "status": view.status, "outputs": None}
        if view.error:
            answer["error"] = view.error
        asks = [{"run_id": run, "step": step.id, **(step.ask or {})} for run, step in needs if step is not None]
        out_json({**answer, "artifacts": [], **({"asks": asks} if asks else {})})
        return failures.PERSON
    where = _where(options.place)
    for run, step in needs:
        if step is None:
            why = (view.error or {}).get("message", "") if run == run_id else ""
            say(f"run {run} is paused{f': {printable(why)}' if why else ''}")
            say(f"  when it is put right:  penstock runs resume {run}{where}")
        else:
            question = step.ask or {}
            choices = " | ".join(question.get("choices") or ["approve", "reject"])
            say(f"run {run} asks at {step.id}: {printable(question.get('title', ''))}")
            say(f"  answer with:  penstock approvals answer {run} {step.id} DECISION{where}   (DECISION: {choices})")
    return failures.PERSON


def _where(place: Place) -> str:
    if place.named is not None:
        return f" --server {place.named.split('?')[0]}"
    return "" if place.data == Path("~/.penstock").expanduser() else f" --data {place.data}"
