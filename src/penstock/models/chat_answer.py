"""An answer in OpenAI's Chat Completions, whole or in pieces, read without trust.

Servers that speak the protocol take liberties: text as a list of parts, no reason for the end, thoughts in fields or between tags
in the text, an error in place of an answer with status 200. What is understood is taken; what is no answer is `Broken`. A stream
that ends without saying why was cut off, and half an answer is no answer.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic_core import from_json

from .chat_asked import THOUGHTS, Manners, seen_as
from .port import Call, Reply, Usage

FINISHES = {"length": "length", "tool_calls": "tool_call", "function_call": "tool_call"}
FILTERED = "content_filter"


class Broken(ValueError):
    """What came is no answer."""


class Failed(Exception):
    """What came is an error, within an answer with status 200: `body` is what it says."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body


def parse(data: bytes) -> dict[str, Any]:
    """Raises Broken."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Broken(f"it is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Broken("it is no object")
    return body


def read(data: bytes, manners: Manners) -> Reply:
    """A whole answer. Raises Broken, Failed."""
    body = parse(data)
    choice = _first(body)
    if choice is None:
        raise Broken("it has no choices")
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Broken("it has no message")
    answer = Gathered(manners)
    answer.add(body, choice, message, whole=True)
    return answer.reply(finished=True)


def _first(body: Mapping[str, Any]) -> dict[str, Any] | None:
    choices = body.get("choices")
    if not choices and body.get("error"):
        raise Failed(body)
    if not isinstance(choices, list) or not choices:
        return None
    if not isinstance(choices[0], dict):
        raise Broken("its choice is no object")
    return choices[0]


class Gathered:
    """An answer that comes together from its pieces."""

    def __init__(self, manners: Manners) -> None:
        self._fields = tuple(dict.fromkeys(name for name in (manners.thought, *THOUGHTS) if name))
        self._tagged = Tagged(*manners.tags)
        self._raw: list[str] = []
        self._shown: list[str] = []
        self._thought: dict[str, list[str]] = {}
        self._calls: list[_Call] = []
        self._places: dict[int, _Call] = {}
        self._finish = self._model = ""
        self._usage = Usage()
        self._refused = False

    def piece(self, data: bytes) -> str:
        """Take one piece of a stream; returns the text in it. Raises Broken, Failed."""
        body = parse(data)
        choice = _first(body)
        delta = choice.get("delta") if choice else None
        return self.add(body, choice or {}, delta if isinstance(delta, dict) else {})

    def add(
        self, body: Mapping[str, Any], choice: Mapping[str, Any], message: Mapping[str, Any], whole: bool = False
    ) -> str:
        """Take the parts of an answer, `whole` or a piece of one; returns the text in it."""
        if usage := body.get("usage"):
            self._usage = _usage(usage)
        if isinstance(model := body.get("model"), str) and model:
            self._model = model
        if isinstance(finish := choice.get("finish_reason"), str) and finish:
            self._finish = finish
        if message.get("refusal"):
            self._refused = True
        for field in self._fields:
            if isinstance(thought := message.get(field), str) and thought:
                self._thought.setdefault(field, []).append(thought)
                break
        wanted = message.get("tool_calls") or []
        if not isinstance(wanted, list):
            raise Broken("its tool calls are no list")
        for number, given in enumerate(wanted):
            self._call(given, number if whole else None)
        text = _text(message.get("content"))
        if not text:
            return ""
        self._raw.append(text)
        return self._show(self._tagged.feed(text))

    def _show(self, text: str) -> str:
        if not self._shown and (self._thought or self._tagged.found):  # what stands between a thought and what is said
            text = text.lstrip()
        if text:
            self._shown.append(text)
        return text

    def _call(self, given: Any, place: int | None) -> None:
        function = given.get("function") if isinstance(given, dict) else None
        if not isinstance(function, dict):
            raise Broken("a tool call has no function")
        id, index = str(given.get("id") or ""), given.get("index") if place is None else place
        call = self._places.get(index) if isinstance(index, int) else self._last(id, function)
        if call is None or (id and call.id and id != call.id):  # some count all calls as the first
            call = _Call()
            self._calls.append(call)
        if isinstance(index, int):
            self._places[index] = call
        call.add(id, function, given.get("extra_content"))

    def _last(self, id: str, function: Mapping[str, Any]) -> _Call | None:
        """The call that goes on in a piece that does not count."""
        begins = function.get("name") and not (id and self._calls and self._calls[-1].id == id)
        return None if begins or not self._calls else self._calls[-1]

    def rest(self) -> str:
        """Text that was held back at the end."""
        return self._show(self._tagged.rest())

    def reply(self, finished: bool = False) -> Reply:
        """The whole. `finished`: it is known to be, also where it does not say why it ended. Raises Broken."""
        self.rest()
        if not self._finish and not finished and not self._refused:
            raise Broken("it ended in the middle")
        finish = FILTERED if self._refused or self._finish == FILTERED else FINISHES.get(self._finish, "stop")
        extra = {str(n): {"extra_content": call.extra} for n, call in enumerate(self._calls) if call.extra}
        thought = {field: "".join(parts) for field, parts in self._thought.items()}
        seen = seen_as(thought, "".join(self._raw) if self._tagged.found else "", extra)
        calls = tuple(call.made(number) for number, call in enumerate(self._calls))
        return Reply("".join(self._shown), calls, self._usage, finish, self._model, seen)


class _Call:
    """A tool call that comes together from its pieces."""

    __slots__ = ("arguments", "extra", "id", "name")

    def __init__(self) -> None:
        self.id = self.name = ""
        self.arguments: list[str] | dict[str, Any] = []
        self.extra: Any = None

    def add(self, id: str, function: Mapping[str, Any], extra: Any) -> None:
        self.id = id or self.id
        self.extra = extra or self.extra
        if isinstance(name := function.get("name"), str) and name != self.name:
            self.name += name
        given = function.get("arguments")
        if isinstance(given, dict):  # an object where its text is meant
            self.arguments = given
        elif isinstance(given, str) and isinstance(self.arguments, list):
            self.arguments.append(given)

    def made(self, number: int) -> Call:
        if not self.name:
            raise Broken("a tool call has no name")
        id = self.id or f"call-{number + 1}"
        if isinstance(self.arguments, dict):
            return Call(id, self.name, self.arguments)
        written = "".join(self.arguments)
        try:
            arguments = from_json(written, allow_inf_nan=False) if written else {}
        except ValueError:
            arguments = None
        return Call(id, self.name, arguments) if isinstance(arguments, dict) else Call(id, self.name, None, written)


class Tagged:
    """Text with thoughts between tags: gives what stands outside. A thought without an end was none."""

    def __init__(self, start: str, end: str) -> None:
        self._start, self._end = start, end
        self._held = ""
        self._inside = False
        self.found = False

    def feed(self, text: str) -> str:
        held = self._held + text
        if not self._inside and "<" not in held and self._start[0] == "<":
            self._held = ""
            return held
        out: list[str] = []
        while True:
            tag = self._end if self._inside else self._start
            at = held.find(tag)
            if at < 0:
                break
            if not self._inside:
                out.append(held[:at])
            held = held[at + len(tag) :]
            self._inside = not self._inside
            self.found = True
        if not self._inside:
            keep = next((n for n in range(min(len(tag) - 1, len(held)), 0, -1) if held.endswith(tag[:n])), 0)
            out.append(held[: len(held) - keep])
            held = held[len(held) - keep :]
        self._held = held
        return "".join(out)

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part for part in content)
    return "".join(part for part in parts if isinstance(part, str))


def _usage(given: Any) -> Usage:
    """Counted in full or not at all: a number that is none would be a cost that nobody knows."""
    if not isinstance(given, dict):
        raise Broken("its usage is no object")
    details = given.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    cached = details.get("cached_tokens")
    return Usage(
        _count(given.get("prompt_tokens")),
        _count(given.get("completion_tokens")),
        _count(given.get("prompt_cache_hit_tokens") if cached is None else cached),
        _count(details.get("cache_write_tokens")),
    )


def _count(given: Any) -> int:
    if given is None:
        return 0
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise Broken("a number of tokens is none")
    return given
