"""A request as OpenAI's Chat Completions has it: the conversation, the tools, and what is particular to a model.

The protocol has grown by use, and models differ in it: what the bound of an answer is called, whether a temperature is taken, in
which field thoughts come and must go back. `Manners` is all of that, so that nothing here asks for a model's name.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .port import Asked, Reply, Request, Results, ToolSpec

THOUGHTS = ("reasoning", "reasoning_content")  # fields in which servers tell what a model thought
TOOLS = 512  # tools whose form is remembered

Schema = Callable[[dict[str, Any]], tuple[dict[str, Any], bool]]


def as_it_is(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """A schema that is sent as it was written."""
    return schema, False


@dataclass(frozen=True, slots=True)
class Manners:
    """What is particular to a model. `bound`: the field that bounds an answer. `role`: who says the system's text. `warm`: it
    takes a temperature. `obeys`: it can be made to call a tool. `thought`: the field its thoughts come in and go back in, where
    it is known; `owed`: each answer with calls has that field from the start. `tags` stand round thoughts within the text.
    `schema` gives the form in which a tool's parameters are understood, and whether the model can be held to it."""

    bound: str = "max_completion_tokens"
    role: str = "system"
    warm: bool = True
    obeys: bool = True
    thought: str | None = None
    returns: bool = False  # thoughts always go back in `thought`, whatever field they came in
    owed: bool = False
    tags: tuple[str, str] = ("<think>", "</think>")
    schema: Schema = as_it_is


class Form:
    """Writes requests to one model. Tools are the same in every turn: their form is made once."""

    def __init__(self, model: str, manners: Manners) -> None:
        self._model, self._manners = model, manners
        self._tools: dict[bytes, bytes] = {}

    def write(self, request: Request, stream: bool) -> bytes:
        """The body, as JSON. Raises what `Manners.schema` raises."""
        manners = self._manners
        body: dict[str, Any] = {"model": self._model, "messages": messages(request, manners)}
        if request.tools:
            body["tools"] = [orjson.Fragment(self._tool(tool)) for tool in request.tools]
            body["tool_choice"] = "required" if request.must_call and manners.obeys else "auto"
        body["stream"] = stream
        if stream:
            body["stream_options"] = {"include_usage": True}
        if request.max_tokens is not None:
            body[manners.bound] = request.max_tokens
        if request.temperature is not None and manners.warm:
            body["temperature"] = request.temperature
        try:
            return orjson.dumps(body)
        except orjson.JSONEncodeError:  # half a surrogate in a text, which JSON can say and UTF-8 cannot
            if request.tools:
                body["tools"] = [json.loads(self._tool(tool)) for tool in request.tools]
            return _dumps(body)

    def _tool(self, tool: ToolSpec) -> bytes:
        same = _dumps([tool.name, tool.description, tool.parameters])
        if (made := self._tools.get(same)) is None:
            parameters, strict = self._manners.schema(tool.parameters)
            function = {"name": tool.name, "description": tool.description, "parameters": parameters}
            if strict:
                function["strict"] = True
            while len(self._tools) >= TOOLS:
                del self._tools[next(iter(self._tools))]
            made = self._tools[same] = _dumps({"type": "function", "function": function})
        return made


def _dumps(value: Any) -> bytes:
    """JSON also of what orjson does not take: whole numbers of any size, halves of surrogates."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value).encode()


def messages(request: Request, manners: Manners) -> list[dict[str, Any]]:
    """The conversation. Answers that were nothing are left out, since the protocol has no word for them."""
    out: list[dict[str, Any]] = []
    if request.system:
        out.append({"role": manners.role, "content": request.system})
    last, owed = len(out) - 1, manners.owed
    for turn in request.turns:
        if isinstance(turn, Asked):
            last = len(out)
            out.append({"role": "user", "content": turn.text})
        elif isinstance(turn, Results):
            for result in turn.results:
                text = _dumps({"error": result.text}).decode() if result.failed else result.text
                out.append({"role": "tool", "tool_call_id": result.id, "content": text})
        else:
            seen = seen_of(turn.seen)
            owed = owed or bool(seen["thought"])
            if message := _answer(turn, seen, manners):
                if owed and manners.returns and manners.thought and turn.calls:
                    message.setdefault(manners.thought, "")
                out.append(message)
    if not manners.returns:
        _fill(out[last + 1 :], {n for m in out for n in (manners.thought, *THOUGHTS) if n and n in m})
    return out


def _fill(current: list[dict[str, Any]], used: set[str]) -> None:
    """Some servers refuse an answer with calls that lacks its thoughts, once others have them, since the last question. Which
    field that is, only what came can tell."""
    if len(used) == 1:
        (field,) = used
        for message in current:
            if "tool_calls" in message:
                message.setdefault(field, "")


def _answer(reply: Reply, seen: Mapping[str, Any], manners: Manners) -> dict[str, Any] | None:
    text = seen["content"] or reply.text
    if not text and not reply.calls:
        return None
    message: dict[str, Any] = {"role": "assistant"}
    for field, thought in seen["thought"].items():
        message[manners.thought if manners.returns and manners.thought else field] = thought
    message["content"] = text or None
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    # What is no object goes in one: some servers refuse a conversation that has it as it was written.
                    "arguments": _dumps(
                        {"INVALID_JSON": call.written} if call.arguments is None else call.arguments
                    ).decode(),
                },
                **seen["calls"].get(str(number), {}),
            }
            for number, call in enumerate(reply.calls)
        ]
    return message


# -------------------------------------------------------------------------------------- what the provider must see again


def seen_as(thought: Mapping[str, str], content: str, calls: Mapping[str, Any]) -> dict[str, Any] | None:
    """`Reply.seen` of an answer: its thoughts by field, its text where thoughts stood in it, and by number of the call what
    the provider added to it. None when there is nothing of the kind."""
    seen = {"thought": dict(thought), "content": content, "calls": dict(calls)}
    return {name: value for name, value in seen.items() if value} or None


def seen_of(seen: Any) -> dict[str, Any]:
    """{thought, content, calls} of a `Reply.seen`, also of one that was kept when a library wrote it."""
    out: dict[str, Any] = {"thought": {}, "content": "", "calls": {}}
    if not isinstance(seen, Mapping):
        return out
    if "parts" not in seen:
        return {**out, **{name: seen[name] for name in out if name in seen}}
    calls = 0
    for part in seen["parts"]:
        kind, field = part.get("part_kind"), part.get("id")
        if kind == "thinking" and field and field != "content":
            out["thought"][field] = part.get("content", "")
        elif kind == "tool-call":
            if extra := (part.get("provider_details") or {}).get("extra_content"):
                out["calls"][str(calls)] = {"extra_content": extra}
            calls += 1
    return out
