"""A run's question, put to the person at the terminal.

Lines are read by the event loop itself, so the run, its time-outs and Ctrl-C go on while somebody thinks; and when the question is
answered elsewhere meanwhile, that answer stands.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from ..engine.view import StepView
from ..errors import Conflict, Invalid
from . import failures
from .inputs import read_inputs
from .link import Link
from .terminal import is_terminal, printable, say


class NoAnswer(Exception):
    """The terminal was closed at the question."""


def can_ask() -> bool:
    """Whether there is a person at both ends."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def make_answer(decision: str, comment: str | None, fields: dict[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"decision": decision}
    if comment:
        body["comment"] = comment
    if fields:
        body["fields"] = fields
    return body


async def ask(link: Link, run_id: str, step: StepView) -> None:
    """Put the question until it is answered rightly, and send the answer. Raises NoAnswer."""
    question = step.ask or {}
    choices = question.get("choices") or ["approve", "reject"]
    say("")
    say(f"? {printable(question.get('title', ''))}")
    if question.get("message"):
        say(printable(question["message"]))
    while True:
        decision = _choice(await _line(f"  {' / '.join(choices)}: "), choices)
        if decision is None:
            say(f"  one of {', '.join(choices)}; its first letters will do")
            continue
        try:
            fields = await _fields(question.get("fields") or {})
            comment = await _comment(question.get("comment", "optional"), decision)
            await link.answer(run_id, step.id, make_answer(decision, comment, fields))
            return
        except Conflict:
            say("  it has been answered elsewhere meanwhile")
            return
        except Invalid as error:
            failures.show(error)


async def _fields(schema: dict[str, Any]) -> dict[str, Any] | None:
    pairs = []
    for name, part in (schema.get("properties") or {}).items():
        about = part.get("title") or name if isinstance(part, dict) else name
        text = await _line(f"  {printable(str(about))}: ")
        if text:
            pairs.append(f"{name}={text}")
    return read_inputs(pairs, None, schema) if pairs else None


async def _comment(wanted: str, decision: str) -> str | None:
    required = wanted == "required" or (wanted == "on_reject" and decision == "reject")
    while True:
        text = (await _line(f"  comment{'' if required else ' (or nothing)'}: ")).strip()
        if text or not required:
            return text or None


def _choice(text: str, choices: list[str]) -> str | None:
    text = text.strip().lower()
    fitting = [one for one in choices if text and one.lower().startswith(text)]
    exact = [one for one in choices if one.lower() == text]
    return exact[0] if exact else fitting[0] if len(fitting) == 1 else None


async def _line(prompt: str) -> str:
    """One line from the terminal. Raises NoAnswer at its end (Ctrl-D)."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    loop = asyncio.get_running_loop()
    read: asyncio.Future[bytes] = loop.create_future()
    handle = sys.stdin.fileno()
    loop.add_reader(handle, lambda: None if read.done() else read.set_result(os.read(handle, 4096)))
    try:
        line = await read
    finally:
        loop.remove_reader(handle)
    if not line:
        raise NoAnswer
    return line.decode(errors="replace").rstrip("\r\n")
