"""The scripted model: answers what its script says, asks nobody, costs nothing, and says that it is a script.

It makes a first run possible without a key, and tests possible without chance. A script is a list of turns; the turn
played is the number of answers already in the conversation, so a run that is taken up again after a crash goes on where it
was. A turn is text, or one of

    {say: text}                          answer with text
    {call: {TOOL: arguments, …}}         call tools, all in one answer; `say` may go with it
    {output: value}                      the final answer, in the declared schema
    {fail: 429, times: 2, …}             fail like a provider: a status, "timeout", "connection" or "malformed"; the first
                                         `times` attempts only, when something else stands beside it; retry_after: seconds

Without a script, or beyond its end, it answers with what was asked, or with the smallest value that fits the schema.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import orjson

from ..errors import Invalid, PenstockError, Problem, TimedOut, Unavailable
from .failures import from_status
from .port import FINAL, Asked, Call, Delta, Reply, Request, Results, Usage

MARK = "[scripted]"
PIECE = 16  # characters of one streamed piece
SHOWN = 400  # characters of a question that is repeated
TURN_KEYS = ("say", "call", "output", "fail", "times", "retry_after", "tokens")


def read_script(script: Any) -> list[dict[str, Any]]:
    """A script's turns, checked. Raises Invalid `model.bad_script` with each place that is wrong."""
    if not isinstance(script, Sequence) or isinstance(script, str):
        raise Invalid("a script is a list of turns", code="model.bad_script")
    turns: list[dict[str, Any]] = []
    problems: list[Problem] = []

    def wrong(number: int, text: str) -> None:
        problems.append(Problem("model.bad_script", f"turn {number + 1}: {text}", f"/{number}"))

    for number, turn in enumerate(script):
        if isinstance(turn, str):
            turns.append({"say": turn})
            continue
        if not isinstance(turn, Mapping):
            wrong(number, "text or an object is needed")
            continue
        if unknown := [key for key in turn if key not in TURN_KEYS]:
            wrong(number, f"unknown key {unknown[0]!r}; known: {', '.join(TURN_KEYS)}")
        elif not turn.keys() & {"say", "call", "output", "fail"}:
            wrong(number, "it does nothing: say, call, output or fail is needed")
        elif "call" in turn and not isinstance(turn["call"], Mapping):
            wrong(number, "`call` maps names of tools to their arguments")
        elif "fail" in turn and not (isinstance(turn["fail"], int) or turn["fail"] in _FAILS):
            wrong(number, f"`fail` is an HTTP status or one of {', '.join(_FAILS)}")
        turns.append(dict(turn))
    if problems:
        raise Invalid(problems[0].message, code="model.bad_script", problems=problems)
    return turns


class Scripted:
    """The model `scripted:NAME`; see the head of this file."""

    def __init__(self, name: str = "scripted:", script: Any = ()) -> None:
        self.name = name
        self._turns = read_script(script)

    async def request(self, request: Request) -> Reply:
        await asyncio.sleep(0)
        played = sum(1 for turn in request.turns if isinstance(turn, Reply))
        turn = self._turns[played] if played < len(self._turns) else _improvised(request)
        if "fail" in turn and (not turn.keys() & {"say", "call", "output"} or request.attempt <= turn.get("times", 1)):
            raise _failure(self.name, turn)
        said = f"{MARK} {turn['say']}" if "say" in turn else ""
        calls = [Call(f"call-{played + 1}-{n}", name, *_arguments(given)) for n, (name, given) in _calls(turn)]
        if "output" in turn:
            answer = _final(request, turn["output"])
            if isinstance(answer, Call):
                calls.append(answer)
            else:
                said = f"{said}\n{answer}".strip()
        usage = Usage(_tokens(_text(request)), int(turn.get("tokens") or _tokens(said) + 8 * len(calls)))
        return Reply(said, tuple(calls), usage, "tool_call" if calls else "stop", self.name)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply]:
        reply = await self.request(request)
        for start in range(0, len(reply.text), PIECE):
            yield Delta(reply.text[start : start + PIECE])
            await asyncio.sleep(0)
        yield reply


_FAILS = ("timeout", "connection", "malformed")


def _failure(name: str, turn: Mapping[str, Any]) -> PenstockError:
    how = turn["fail"]
    if how == "timeout":
        return TimedOut(f"{name} did not answer in time {MARK}", code="model.timeout")
    if how == "connection":
        return Unavailable(f"{name} could not be reached {MARK}", code="model.unavailable")
    if how == "malformed":
        return Unavailable(f"{name} answered with something that is no answer {MARK}", code="model.bad_response")
    return from_status(how, name, f"the script says so {MARK}", turn.get("retry_after"))


def _calls(turn: Mapping[str, Any]) -> list[tuple[int, tuple[str, Any]]]:
    return list(enumerate(turn.get("call", {}).items(), 1))


def _arguments(given: Any) -> tuple[dict[str, Any] | None, str]:
    """A script may call with what is no object, to see what comes of it."""
    if given is None:
        return {}, ""
    return (dict(given), "") if isinstance(given, Mapping) else (None, str(given))


def _final(request: Request, output: Any) -> Call | str:
    tool = next((tool for tool in request.tools if tool.name == FINAL), None)
    if tool is None:
        return output if isinstance(output, str) else orjson.dumps(output).decode()
    played = sum(1 for turn in request.turns if isinstance(turn, Reply))
    return Call(f"call-{played + 1}-final", FINAL, *_arguments({"value": output} if tool.wrapped else output))


def _improvised(request: Request) -> dict[str, Any]:
    tool = next((tool for tool in request.tools if tool.name == FINAL), None)
    if tool is not None:
        schema = tool.parameters
        value = smallest(schema, schema)
        return {"output": value.get("value") if tool.wrapped else value}
    last = request.turns[-1] if request.turns else Asked("")
    if isinstance(last, Results):
        return {"say": "The tools answered: " + "; ".join(r.text for r in last.results)[:SHOWN]}
    text = last.text if isinstance(last, Asked) else ""
    return {"say": f"No model was asked. The question was: {text[:SHOWN]}"}


def smallest(schema: Any, root: Any, depth: int = 0) -> Any:
    """A small value that fits the common part of JSON Schema; texts say that they are scripted."""
    if not isinstance(schema, Mapping) or depth > 12:
        return None
    if "const" in schema:
        return schema["const"]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    if "default" in schema:
        return schema["default"]
    if isinstance(ref := schema.get("$ref"), str) and ref.startswith("#/"):
        target = root
        for part in ref[2:].split("/"):
            target = target.get(part, {}) if isinstance(target, Mapping) else {}
        return smallest(target, root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return smallest(schema[key][0], root, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or (kind is None and "properties" in schema):
        wanted = schema.get("properties", {})
        names = schema.get("required", ()) or wanted
        return {name: smallest(wanted.get(name, {"type": "string"}), root, depth + 1) for name in names}
    if kind == "array":
        return [smallest(schema.get("items", {}), root, depth + 1) for _ in range(schema.get("minItems", 0))]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
    if kind == "boolean":
        return True
    return None if kind == "null" else f"{MARK} no model was asked"


def _text(request: Request) -> str:
    parts = [request.system]
    for turn in request.turns:
        parts += [result.text for result in turn.results] if isinstance(turn, Results) else [turn.text]
    return " ".join(parts)


def _tokens(text: str) -> int:
    return (len(text) + 3) // 4
