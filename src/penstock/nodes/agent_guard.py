"""What an agent says and hears, as the policies of its run see it: the texts of a conversation as JSON, and back again.

Everything is looked over once, when it is sent for the first time. A conversation that goes on after a crash is built anew from
what was kept, so what was said long ago is looked over again before the next request, and comes out the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..engine.policy import Money
from ..guardrails.detect import looked_at
from ..guardrails.guard import Guard
from ..models.port import Asked, Call, Reply, Result, Results

Said = Asked | Reply | Results


class Sent:
    """How much of a conversation was looked over."""

    def __init__(self) -> None:
        self._turns = 0
        self._system = False

    async def look_over(
        self, guard: Guard, key: str, about: dict[str, Any], system: str, said: list[Said]
    ) -> tuple[str, list[Said]]:
        """The system prompt and the conversation as they may be sent. Raises as `Guard.before` does."""
        fresh = said[self._turns :]
        value: dict[str, Any] = {"said": [_to_json(turn) for turn in fresh]}
        if not self._system and system:
            value["system"] = system
        usd = about["usd"]
        call = {**about, "usd": None if usd is None else Money(usd), "text": "\n".join(_texts(value))}
        given = await guard.before("model.call", key, value, call)
        if given is not value:
            system = given.get("system", system)
            said = [
                *said[: self._turns],
                *(_from_json(turn, data) for turn, data in zip(fresh, given["said"], strict=True)),
            ]
        self._turns, self._system = len(said), True
        return system, said


async def look_over(
    guard: Guard, key: str, reply: Reply, model: str, usd: str | None
) -> tuple[Reply, dict[str, str] | None]:
    """A reply as it may be kept and used, and the mark of one that a person has to let pass. What a provider alone understands
    goes with the rest when something is taken out of it."""
    value = _to_json(reply)
    call = {
        "model": model,
        "tokens": reply.usage.total,
        "usd": None if usd is None else Money(usd),
        "text": "\n".join(_texts(value)),
    }
    given, mark = await guard.after("model.result", key, value, call)
    if given is not value and given != value:
        reply = _with(reply, given)
    elif reply.seen is not None and await looked_at(reply.seen, guard.looks_for("model.result")):
        reply = replace(reply, seen=None)
    return reply, mark


def shown_call(call: Call) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments, **({"written": call.written} if call.written else {})}


def _to_json(turn: Said) -> dict[str, Any]:
    if isinstance(turn, Asked):
        return {"text": turn.text}
    if isinstance(turn, Reply):
        return {"text": turn.text, "calls": [shown_call(call) for call in turn.calls]}
    return {"results": [result.text for result in turn.results]}


def _from_json(turn: Said, data: dict[str, Any]) -> Said:
    if isinstance(turn, Asked):
        return Asked(data["text"])
    if isinstance(turn, Results):
        pairs = zip(turn.results, data["results"], strict=True)
        return Results(tuple([Result(one.id, one.name, text, one.failed) for one, text in pairs]))
    return turn if data == _to_json(turn) else _with(turn, data)


def _with(reply: Reply, data: dict[str, Any]) -> Reply:
    calls = [
        Call(call.id, call.name, given["arguments"], given.get("written", ""))
        for call, given in zip(reply.calls, data["calls"], strict=True)
    ]
    return replace(reply, text=data["text"], calls=tuple(calls), seen=None)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]
