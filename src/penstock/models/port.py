"""The seam between agents and models: what is asked, what is answered, and the two methods that do it.

A conversation is plain data of ours, so that it can be kept in a journal and shown to any provider. What a provider alone
understands (signatures of its reasoning, ids of its parts) travels in `Reply.seen`, opaque, and goes back to it unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Protocol

FINAL = "final_result"  # the tool by which a model gives its answer in a declared schema


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it. `parameters` is the JSON Schema of an object; `wrapped`: the object only holds, under
    `value`, what is really meant, since arguments must be an object."""

    name: str
    description: str
    parameters: dict[str, Any]
    wrapped: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call the model asks for. `arguments` is None when what it wrote is no JSON object; `written` is what it wrote."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    written: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call, as text for the model."""

    id: str
    name: str
    text: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Something said to the model by the one who asks."""

    text: str


@dataclass(frozen=True, slots=True)
class Results:
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. `input_tokens` is the whole prompt, of which `cached_tokens` were read from the provider's
    cache and `cache_write_tokens` written to it."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens

    def to_json(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered. `finish` is `stop`, `tool_call`, `length`, `content_filter` or `error`; `model` is the name the
    provider gives the model that answered."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    usage: Usage = field(default_factory=Usage)
    finish: str = "stop"
    model: str = ""
    seen: Any = None

    def to_json(self) -> dict[str, Any]:
        """The form in which it is kept."""
        out: dict[str, Any] = {"text": self.text, "finish": self.finish, "model": self.model}
        if self.calls:
            out["calls"] = [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in self.calls]
            for written, call in zip(out["calls"], self.calls, strict=True):
                if call.arguments is None:
                    written["written"] = call.written
        if self.seen is not None:
            out["seen"] = self.seen
        out["usage"] = self.usage.to_json()
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reply:
        calls = tuple(Call(c["id"], c["name"], c["arguments"], c.get("written", "")) for c in data.get("calls", ()))
        return cls(data["text"], calls, Usage(**data["usage"]), data["finish"], data["model"], data.get("seen"))


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `must_call`: the answer has to be a tool call. `seconds` limits the whole request. `key` is the same when
    the same request is made again (an idempotency key); `attempt` counts from 1 within this process."""

    turns: tuple[Asked | Reply | Results, ...]
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    must_call: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    seconds: float = 120.0
    key: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer as it comes. `again`: forget the pieces so far, the request failed midway and is made again."""

    text: str
    again: bool = False


class Model(Protocol):
    """A model of one provider. Errors that may pass: Unavailable `model.unavailable`, `model.rate_limited`,
    `model.bad_response`; TimedOut `model.timeout`. Errors that will not: Invalid `model.bad_request`, `model.unknown`,
    `model.too_long`; Refused `model.bad_key`, `model.no_credit`, `model.content_filtered`; Unavailable
    `model.client_failed`. Cancelling closes the connection."""

    name: str

    async def request(self, request: Request) -> Reply: ...

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply]:
        """The answer in pieces; the last one is the whole Reply."""
        ...
